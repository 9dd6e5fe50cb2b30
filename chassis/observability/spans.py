"""The ports of tracing: a span, and a recorder of spans."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

SpanKind = Literal["server", "client", "consumer", "producer", "internal"]
Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """What code inside a span may record of it."""

    def set_attribute(self, key: str, value: str | int | float | bool) -> None: ...

    def set_error(self, description: str) -> None:
        """Mark the span as an error."""


class SpanRecorder(Protocol):
    """Records spans; a process has one only if an OTLP endpoint is set."""

    def start_span(
        self, name: str, kind: SpanKind, traceparent: str | None, attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """Open a span under `traceparent`: None means the current span, "" a new trace."""
        ...

    def current_traceparent(self) -> str: ...

    def close(self) -> None: ...
