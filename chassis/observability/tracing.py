"""One trace per request: W3C trace context is propagated, and spans are recorded if an OTLP endpoint is set.

Without an endpoint nothing is recorded: the incoming `traceparent` (or a new one) is only kept for logs,
calls to peers and events, which costs a context variable and no span objects.
"""

import random
import re
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from typing import Final

from chassis.observability.spans import Attributes, Span, SpanKind, SpanRecorder

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NONZERO_ID_BITS: Final = 1 << 64 | 1
_current_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


class _NoOpSpan:
    def set_attribute(self, key: str, value: str | float) -> None:
        pass

    def set_error(self, description: str) -> None:
        pass


_NO_OP_SPAN = _NoOpSpan()
_recorder: SpanRecorder | None = None


def configure_tracing(recorder: SpanRecorder | None) -> None:
    """Record spans with `recorder` from now on; without one only the `traceparent` is propagated.

    Call it before MongoDB and Redis clients are made, so that their commands become spans as well.
    """
    global _recorder  # noqa: PLW0603
    _recorder = recorder


def shut_down_tracing() -> None:
    """Export the buffered spans; blocks for a few seconds at most."""
    global _recorder  # noqa: PLW0603
    if _recorder is not None:
        _recorder.close()
        _recorder = None


def server_span(name: str, traceparent: str) -> AbstractContextManager[Span]:
    """Return the span of a call that this process answers, a child of `traceparent`; "" begins a trace."""
    return continue_trace(traceparent, name, kind="server")


def is_recording() -> bool:
    """Return whether spans are recorded; otherwise only the `traceparent` is propagated."""
    return _recorder is not None


def join_trace(traceparent: str) -> None:
    """Make a trace the current one for the rest of this task, without a span; "" begins a trace."""
    is_valid = traceparent and _TRACEPARENT.fullmatch(traceparent)
    _current_traceparent.set(traceparent if is_valid else _new_traceparent())


def client_span(name: str, attributes: Attributes | None = None) -> AbstractContextManager[Span]:
    """Return the span of a call that this process makes, a child of the current one."""
    return _span(name, "client", None, attributes or {})


def continue_trace(
    traceparent: str, name: str, *, kind: SpanKind = "consumer", attributes: Attributes | None = None
) -> AbstractContextManager[Span]:
    """Return a span under the `traceparent` of a request's metadata or an event."""
    parent = traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else ""
    return _span(name, kind, parent, attributes or {})


def current_traceparent() -> str:
    """Return the W3C `traceparent` to propagate; "" outside any trace."""
    if _recorder is not None:
        return _recorder.current_traceparent()
    return _current_traceparent.get()


def current_trace_id() -> str:
    """Return the trace ID, 32 hex digits; "" outside any trace."""
    return current_traceparent()[3:35]


def _span(
    name: str, kind: SpanKind, traceparent: str | None, attributes: Attributes
) -> AbstractContextManager[Span]:
    if _recorder is not None:
        return _recorder.start_span(name, kind, traceparent, attributes)
    if traceparent is None:
        return nullcontext(_NO_OP_SPAN)
    return _PropagatedTrace(traceparent or _new_traceparent())


class _PropagatedTrace:
    """Makes a trace the current one for a block; a generator would cost each call twice as much."""

    __slots__ = ("_before", "_traceparent")

    def __init__(self, traceparent: str) -> None:
        self._traceparent = traceparent

    def __enter__(self) -> Span:
        self._before: Token[str] = _current_traceparent.set(self._traceparent)
        return _NO_OP_SPAN

    def __exit__(self, *_: object) -> None:
        _current_traceparent.reset(self._before)


def _new_traceparent() -> str:
    ids = f"{random.getrandbits(192) | _NONZERO_ID_BITS:048x}"
    return f"00-{ids[:32]}-{ids[32:]}-00"
