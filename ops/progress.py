"""Progress that reads well on a screen and in a pipe: one line for each finished step, with its time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ops.console import console

REMINDER_INTERVAL_S = 10.0


class StepProgress:
    """Prints steps as they finish; on a screen, a spinner shows the one that is under way."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """One step; call the yielded function with what it waits for.

        In a pipe, where no spinner turns, a step that takes long says so every ten seconds.
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
