"""The server of the log store: it holds lines in memory, so the oldest are deleted beyond a bound."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Final, Self

from devstack.topology_parts import LOOPBACK
from ops.paths import REPO

INDEX_TEMPLATE_FILE: Final = REPO / "ops" / "telemetry" / "log-index-template.json"
"""The fields by which lines are found; other clusters have the same."""
ALIAS: Final = "logs"
MAX_LINES: Final = 300_000
PRUNE_INTERVAL_S: Final = 15.0
_START_TIMEOUT_S: Final = 20.0
_REQUEST_TIMEOUT_S: Final = 10.0
_STOP_TIMEOUT_S: Final = 5.0


class LogStoreServer:
    """A running server at a port; as a context manager it stops at the end."""

    def __init__(self, binary: Path, port: int, *, max_lines: int = MAX_LINES) -> None:
        self._url = f"http://{LOOPBACK}:{port}"
        self._max_lines = max_lines
        # Without Japanese, whose dictionaries take most of its memory.
        options = ("-no-ja", "-no-stdin-watch", "-addr", f"{LOOPBACK}:{port}")
        self._process = subprocess.Popen([str(binary), *options], stdin=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def prepare(self) -> None:
        """Wait for the server and give it the index template. Raises RuntimeError if it does not start."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self._request("PUT", "/_index_template/logs", INDEX_TEMPLATE_FILE.read_bytes())
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the log store does not answer at {self._url}: {error}") from error
                time.sleep(0.05)
            else:
                return

    def prune_until(self, stop: Event) -> None:
        """Delete the oldest lines now and then, until `stop`. Raises RuntimeError if the server ends."""
        while not stop.wait(PRUNE_INTERVAL_S):
            if self._process.poll() is not None:
                raise RuntimeError(f"the log store ended with {self._process.returncode}")
            self.prune()

    def prune(self) -> list[str]:
        """Delete the oldest indexes while there are too many lines; return their names."""
        found = sorted(
            (str(index["index"]), int(index["docs.count"]))
            for index in self._request("GET", f"/_cat/indices/{ALIAS}-*?format=json")
        )
        deleted: list[str] = []
        lines = sum(count for _, count in found)
        for name, count in found:
            if lines <= self._max_lines:
                break
            self._request("DELETE", f"/{name}")
            deleted.append(name)
            lines -= count
        return deleted

    def _request(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Return the answer's JSON. Raises OSError."""
        headers = {"content-type": "application/json"} if body else {}
        request = urllib.request.Request(self._url + path, body, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=_REQUEST_TIMEOUT_S) as answer:  # noqa: S310
            return json.loads(answer.read())
