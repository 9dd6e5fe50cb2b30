"""How fast nodes are served, so that a roll-out or a restart does not become a flood."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_ADMISSION_WAIT_S: Final = 20.0


@dataclass(frozen=True)
class PacingPolicy:
    """Bounds of one process. `push_burst` changes reach a node at once, later ones merge."""

    pushes_per_node_per_s: float = 2.0
    push_burst: int = 10
    new_streams_per_s: float = 200.0
    new_stream_burst: int = 500
    max_streams: int = 20_000


class RateGate:
    """Lets `burst` pass at once, and then `per_s` a second: the generic cell rate algorithm."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] | None = None) -> None:
        self._interval_s = 1 / per_s
        self._tolerance_s = (burst - 1) / per_s
        self._clock = clock or _monotonic_s
        self._due_at = 0.0

    def wait_s(self) -> float:
        """Return the seconds until the next one may pass; 0 for now."""
        return max(0.0, self._due_at - self._tolerance_s - self._clock())

    def take(self) -> float:
        """Reserve the next place, and return the seconds until it comes."""
        wait_s = self.wait_s()
        self._due_at = max(self._due_at, self._clock()) + self._interval_s
        return wait_s


def _monotonic_s() -> float:
    return time.monotonic()


class TooManyStreamsError(Exception):
    """This process serves its maximum of streams already, or too many nodes connect at the same time."""


class StreamAdmission:
    """Lets new streams in at a bounded rate; nodes keep their configuration until then."""

    def __init__(self, policy: PacingPolicy) -> None:
        self._gate = RateGate(policy.new_streams_per_s, policy.new_stream_burst)

    async def wait(self) -> None:
        """Wait until a new stream may be served. Raise TooManyStreamsError where that would take long."""
        if self._gate.wait_s() > MAX_ADMISSION_WAIT_S:
            raise TooManyStreamsError(
                f"more nodes connect than are served within {MAX_ADMISSION_WAIT_S:.0f} s; try again later"
            )
        wait_s = self._gate.take()
        if wait_s:
            await asyncio.sleep(wait_s)
