"""Time that passes only while a test waits: a minute takes no time, and no machine is too slow for it."""

import asyncio
import functools
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec
from unittest.mock import patch

P = ParamSpec("P")


class _SkippingSelector(selectors.DefaultSelector):
    """Never waits for a timer: it advances the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now_s += max(timeout, 0.0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop by a clock of its own. For work without sockets, threads and processes."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the clock; `time.monotonic` and `time.perf_counter` go by it as well while a test runs."""
        return self._skipping.now_s


def in_virtual_time(scenario: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Make a test of a scenario that waits. Its fixtures must not belong to pytest's event loop."""

    @functools.wraps(scenario)
    def play(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualTimeLoop()

        async def act() -> None:
            await scenario(*args, **kwargs)

        with (
            patch.object(time, "monotonic", loop.time),
            patch.object(time, "perf_counter", loop.time),
            asyncio.Runner(loop_factory=lambda: loop) as runner,
        ):
            runner.run(act())

    return play


def block_event_loop(seconds: float) -> None:
    """Advance the clock as if the event loop were blocked for `seconds`."""
    loop: Any = asyncio.get_running_loop()
    loop._skipping.now_s += seconds
