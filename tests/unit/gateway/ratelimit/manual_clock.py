"""A clock that tests turn."""


class ManualClock:
    """Seconds, and the same time in microseconds of a day long ago."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s

    def now_us(self) -> int:
        return 1_700_000_000_000_000 + round(self.s * 1_000_000)
