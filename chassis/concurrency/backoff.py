"""Exponential backoff with jitter."""

import random


def jittered_delay_s(attempt: int, *, base_s: float = 0.2, max_s: float = 10.0) -> float:
    """Return the seconds to wait after the failed `attempt`, from 0: doubled each time, and jittered."""
    ceiling = min(max_s, base_s * 2 ** min(attempt, 16))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
