"""Logs: one JSON object a line on stdout, with the trace id and without secrets.

Code logs with `get_logger().info("event name", key=value)`; lines of libraries, logged with the standard
`logging`, have the same form.
"""

import asyncio
import logging
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, Final, cast

import msgspec
import orjson

from chassis.observability.redaction import redact_fields
from chassis.observability.tracing import current_trace_id
from chassis.optional_dependencies import hide_optional_dependencies

with hide_optional_dependencies("rich", "colorama", "better_exceptions"):
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_QUIET_LIBRARIES: Final = (
    "amqp",
    "kombu",
    "pymongo",
    "redis",
    "grpc",
    "opentelemetry",
    "asyncio",
    "aiohttp.access",
)

_MAX_FLUSH_DELAY_S: Final = 0.05

_identity: dict[str, str] = {}
_stream: BinaryIO | None = None
_flush_is_due = False


def configure_logging(
    service: str, role: str, *, level: str = "INFO", stream: BinaryIO | None = None
) -> None:
    """Route structlog and the standard logging to `stream`, by default stdout.

    Lines from `level` on are written; those of libraries from WARNING on.
    """
    global _stream  # noqa: PLW0603
    _stream = stream or sys.stdout.buffer
    _identity.update(service=service, role=role)
    structlog.configure(
        # Exceptions' texts are redacted like all others.
        processors=[_stamp, structlog.processors.format_exc_info, _redact, _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(_stream),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_JsonLogHandler()]
    root.setLevel(level.upper())
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger() -> FilteringBoundLogger:
    """Return a logger whose keyword arguments become members of the JSON object."""
    return cast(FilteringBoundLogger, structlog.get_logger())


def log_access(*, rpc: str, code: str, duration_ms: float, caller: str, request_id: str) -> None:
    """Write the line of one answered call; skips the processor chain, as it runs on every request.

    `rpc` is the full method name, `code` the gRPC status name, `caller` the caller's id or "".
    """
    line = _AccessLine(
        time=_format_now(),
        service=_identity.get("service", ""),
        role=_identity.get("role", ""),
        rpc=rpc,
        code=code,
        duration_ms=round(duration_ms, 2),
        caller=caller,
        request_id=request_id,
        trace_id=current_trace_id(),
    )
    _log_stream().write(_encode_access_line(line) + b"\n")
    _flush_soon()


class _AccessLine(msgspec.Struct, gc=False):
    time: str
    service: str
    role: str
    rpc: str
    code: str
    duration_ms: float
    caller: str
    request_id: str
    trace_id: str
    level: str = "info"
    event: str = "rpc"


_encode_access_line: Final = msgspec.json.Encoder().encode


def _flush_soon() -> None:
    """Write access lines soon, many with one system call; any other line flushes those before it at once."""
    global _flush_is_due  # noqa: PLW0603
    if _flush_is_due:
        return
    try:
        asyncio.get_running_loop().call_later(_MAX_FLUSH_DELAY_S, _flush)
        _flush_is_due = True
    except RuntimeError:
        _flush()


def _flush() -> None:
    global _flush_is_due  # noqa: PLW0603
    _flush_is_due = False
    _log_stream().flush()


def _format_now() -> str:
    second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_format_second(second)}.{nanoseconds // 1_000_000:03}Z"


@lru_cache(maxsize=2)
def _format_second(second: int) -> str:
    """Return a time in whole seconds as text, cached: formatting it costs more than the rest of a line."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _stamp(_logger: WrappedLogger, level: str, fields: EventDict) -> EventDict:
    stamped: EventDict = {
        "time": _format_now(),
        "level": level,
        "event": fields.pop("event", ""),
        **_identity,
        **fields,
    }
    if trace_id := current_trace_id():
        stamped["trace_id"] = trace_id
    return stamped


def _redact(_logger: WrappedLogger, _level: str, fields: EventDict) -> EventDict:
    return redact_fields(fields.items())


def _render(_logger: WrappedLogger, _level: str, fields: EventDict) -> bytes:
    return _to_json(fields)


def _to_json(fields: EventDict) -> bytes:
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS)


def _log_stream() -> BinaryIO:
    return _stream or sys.stdout.buffer


class _JsonLogHandler(logging.Handler):
    """Gives libraries' lines of the standard logging the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields: EventDict = {"event": record.getMessage(), "logger": record.name}
            if record.exc_info:
                fields["exception"] = logging.Formatter().formatException(record.exc_info)
            level = "warning" if record.levelno == logging.WARNING else record.levelname.lower()
            _log_stream().write(_to_json(redact_fields(_stamp(None, level, fields).items())) + b"\n")
            _flush()
        except Exception:
            self.handleError(record)
