"""The ops port: `/health`, `/ready` and `/metrics` over plain HTTP/1.1, for probes and Prometheus.

It answers GET only, one request per connection: a web framework would add half a second to the start of every
process.
"""

import asyncio
from http import HTTPStatus
from typing import Final

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest

from chassis.observability.metrics import readiness_check_up
from chassis.readiness import ReadinessProbe, ReadinessReport

JSON_CONTENT_TYPE: Final = "application/json"
_MAX_HEAD_BYTES: Final = 16 * 1024
_REQUEST_TIMEOUT_S: Final = 5.0
_MAX_CONNECTIONS: Final = 32

# The `_created` series of counters are useless here, and double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]

HttpAnswer = tuple[HTTPStatus, str, bytes]


class OpsServer:
    """Listens on `host:port` and serves `readiness` and the metrics."""

    def __init__(self, readiness: ReadinessProbe) -> None:
        self._readiness = readiness
        self._connection_slots = asyncio.Semaphore(_MAX_CONNECTIONS)

    async def start(self, host: str, port: int) -> None:
        """Start answering. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve_connection, host, port, limit=_MAX_HEAD_BYTES)

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._connection_slots, asyncio.timeout(_REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_encode_answer(await self._answer(head)))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that sends a malformed request, or has gone, gets no answer
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> HttpAnswer:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return _json_answer(
                HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"{method} is not answered here, GET is"}
            )
        match path:
            case "/health":
                return _json_answer(HTTPStatus.OK, {"alive": True})
            case "/ready":
                return await self._ready()
            case "/metrics":
                _export_checks(await self._readiness.report())
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest()
        return _json_answer(HTTPStatus.NOT_FOUND, {"error": "there are /health, /ready and /metrics"})

    async def _ready(self) -> HttpAnswer:
        report = await self._readiness.report()
        status = HTTPStatus.OK if report.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json_answer(
            status, {"ready": report.is_ready, "degraded": report.degraded_checks, "checks": report.checks}
        )


def _export_checks(report: ReadinessReport) -> None:
    """Export the result of each check; a dependency that is gone since the last scrape has none any more."""
    readiness_check_up.clear()
    for name, check in report.checks.items():
        readiness_check_up.labels(name.replace(" ", "/")).set(check["up"])


def _json_answer(status: HTTPStatus, body: object) -> HttpAnswer:
    return status, JSON_CONTENT_TYPE, orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def _encode_answer(answer: HttpAnswer) -> bytes:
    status, content_type, body = answer
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\n"
        "cache-control: no-store\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
