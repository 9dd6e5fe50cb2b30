"""Progress for a screen or a pipe: one line for each finished step, with its time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ops.console import console

REMINDER_INTERVAL_S = 10.0


class StepProgress:
    """Prints steps as they finish; on a screen, a spinner shows the running one."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """The seconds since the first step."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Run a step; call the yielded function with what the step waits for.

        In a pipe, which has no spinner, a long step prints a line every ten seconds.
        """
        start = reminded = time.monotonic()
        with console.status(what) as spinner:

            def detail(text: str) -> None:
                nonlocal reminded
                spinner.update(f"{what} [dim]{text}[/]")
                if not console.is_terminal and time.monotonic() - reminded > REMINDER_INTERVAL_S:
                    reminded = time.monotonic()
                    self._line("…", f"{what} [dim]{text}[/]")

            yield detail
        self._line("[green]✓[/]", f"{what} [dim]({time.monotonic() - start:.1f} s)[/]")

    def note(self, text: str) -> None:
        """Print a line between two updates of the progress."""
        self._line(" ", text)

    def _line(self, mark: str, text: str) -> None:
        console.print(f"[dim]{self.elapsed_s:6.1f} s[/] {mark} {text}", soft_wrap=True)


def count_in(detail: Callable[[str], None]) -> Callable[[int], None]:
    """Return a function that adds to a count, which it passes to the detail of a step."""
    count = 0

    def add(more: int) -> None:
        nonlocal count
        count += more
        detail(f"{count:,}")

    return add
