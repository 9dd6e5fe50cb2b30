"""How many calls are let in at once: fewer when the event loop falls behind, so that those inside end."""

import asyncio
import random
from typing import Final

from chassis.observability import metrics

LATE_S: Final = 0.25
"""A loop that runs its timers so late all the time has more to do than it can."""
LEAST: Final = 16
_LOOK_EVERY_S: Final = 0.025
_LOOKS: Final = 4
_SHRINK: Final = 0.8
_GROW: Final = 0.05


class Pressure:
    """A bound between `LEAST` and `most` that falls fast and grows back slowly.

    It falls when, over some 100 ms, the loop was never in time: a short stop (a garbage collection, a burst)
    has one late moment and is no reason.
    """

    def __init__(self, most: int) -> None:
        self.in_flight = 0
        self.limit = most
        self._most = most

    def is_full(self) -> bool:
        """Whether another call would be one too many."""
        return self.in_flight >= self.limit

    def note(self, least_lateness_s: float) -> None:
        """Adjusts the bound to how late the loop was at its best moment of the last interval."""
        if least_lateness_s > LATE_S:
            self.limit = max(min(LEAST, self._most), int(min(self.limit, self.in_flight) * _SHRINK))
        else:
            self.limit = min(self._most, self.limit + 1 + int(self.limit * _GROW))
        metrics.grpc_server_admission_limit.set(self.limit)

    async def watch(self) -> None:
        """Looks and adjusts until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            least = float("inf")
            for _ in range(_LOOKS):
                pause_s = _LOOK_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311
                due = loop.time() + pause_s
                await asyncio.sleep(pause_s)
                least = min(least, loop.time() - due)
            self.note(least)
