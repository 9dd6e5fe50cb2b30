"""The headers in which a message carries its failures from queue to queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

ATTEMPTS_HEADER: Final = "x-attempts"
ERROR_HEADER: Final = "x-error"
FIRST_FAILURE_HEADER: Final = "x-first-failure"
QUEUE_HEADER: Final = "x-queue"
ROUTING_KEY_HEADER: Final = "x-original-routing-key"

_MAX_ERROR_CHARS: Final = 1_000
_KEPT_HEADERS: Final = frozenset({FIRST_FAILURE_HEADER, ROUTING_KEY_HEADER})


@dataclass(frozen=True, slots=True)
class FailureHeaders:
    """The failures of a message so far: attempts, the last error and the time of the first failure."""

    attempts: int
    error: str
    first_failed_at: datetime | None

    @classmethod
    def parse(cls, headers: Mapping[str, Any]) -> Self:
        """Read a message's headers; a message that never failed has 0 attempts, no error and no time."""
        return cls(
            attempts=int(headers.get(ATTEMPTS_HEADER, 0)),
            error=str(headers.get(ERROR_HEADER, "")),
            first_failed_at=_parse_time(headers.get(FIRST_FAILURE_HEADER)),
        )


def add_failure(
    headers: Mapping[str, Any], *, attempt: int, error: str, queue: str, routing_key: str
) -> dict[str, Any]:
    """Return the headers of a message after one more failure on `queue`.

    The time of the first failure and the original routing key stay as they are once they are set.
    """
    first = {
        FIRST_FAILURE_HEADER: datetime.now(UTC).isoformat(timespec="seconds"),
        ROUTING_KEY_HEADER: routing_key,
    }
    kept = {key: value for key, value in headers.items() if key in _KEPT_HEADERS}
    last = {ATTEMPTS_HEADER: attempt, ERROR_HEADER: error[:_MAX_ERROR_CHARS], QUEUE_HEADER: queue}
    return first | kept | last


def clear_failures(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of a message that starts again with all its attempts: its original routing key."""
    return {key: value for key, value in headers.items() if key == ROUTING_KEY_HEADER}


def _parse_time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
