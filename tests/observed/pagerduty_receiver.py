"""A receiver of PagerDuty's Events API v2, for drills: it keeps every event, in the order of arrival."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class PagerDutyEvent:
    """One event; `key` is the incident's, `firing` the labels of its alerts."""

    action: str
    key: str
    summary: str
    firing: str = ""


class PagerDutyReceiver:
    """Answers as PagerDuty does: 202, or 400 to anything but an event."""

    def __init__(self) -> None:
        self.events: list[PagerDutyEvent] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v2/enqueue"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def about(self, alert: str) -> list[PagerDutyEvent]:
        """Return the events of the incidents that an alert has opened."""
        keys = {each.key for each in self.events if each.summary.startswith(f"{alert}:")}
        return [each for each in self.events if each.key in keys]

    def accept(self, body: dict[str, Any]) -> None:
        """Keep an event. Raises KeyError for anything else."""
        payload = body.get("payload", {})
        summary, firing = payload.get("summary", ""), payload.get("custom_details", {}).get("firing", "")
        if body["event_action"] == "trigger":
            _ = payload["summary"], payload["source"], payload["severity"], body["routing_key"]
        self.events.append(PagerDutyEvent(body["event_action"], body["dedup_key"], summary, firing))


def _handler_of(receiver: PagerDutyReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                receiver.accept(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            except (KeyError, TypeError, ValueError):
                self._answer(400, {"status": "invalid event"})
            else:
                self._answer(202, {"status": "success", "message": "Event processed"})

        def _answer(self, status: int, body: dict[str, str]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Keep silent."""

    return Handler
