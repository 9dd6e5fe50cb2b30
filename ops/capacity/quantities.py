"""Numbers as operators type them: `800M`, `1.5k`, `70%`, `70/25/5`."""

import math
import re
from typing import Final

from ops.errors import OpsError

MULTIPLIERS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_NUMBER: Final = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]*)")
_PERCENTAGE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%?")


def parse_amount(option: str, text: str, *, at_most: float = 1e12) -> float:
    """Return the positive number in `text`, such as 250000, 800M or 1.5k.

    Raises:
        OpsError: it is no number, zero, or more than `at_most`; the message names the option.
    """
    match = _NUMBER.fullmatch(text.strip().replace(",", "").replace("_", ""))
    if match is None or match[2] not in MULTIPLIERS:
        raise OpsError(f"{option} takes a number such as 250000, 800M or 1.5k, not '{text}'{_hint(match)}")
    value = float(match[1]) * MULTIPLIERS[match[2]]
    if not 0 < value <= at_most:
        raise OpsError(f"{option} takes more than 0 and at most {format_amount(at_most)}, not '{text}'")
    return value


def parse_count(option: str, text: str, *, at_most: int) -> int:
    """Return the whole positive number in `text`. Raises OpsError as `parse_amount` does."""
    value = parse_amount(option, text, at_most=at_most)
    if value != int(value):
        raise OpsError(f"{option} takes a whole number, not '{text}'")
    return int(value)


def parse_share(option: str, text: str, *, at_least: float = 0.0, at_most: float = 1.0) -> float:
    """Return the share (0 to 1) of a percentage such as `70%` or `70`.

    Raises:
        OpsError: it is no percentage, or out of bounds; the message names the option.
    """
    match = _PERCENTAGE.fullmatch(text.strip())
    if match is None:
        raise OpsError(f"{option} takes a percentage such as 70%, not '{text}'")
    value = float(match[1]) / 100
    if not at_least <= value <= at_most:
        raise OpsError(f"{option} takes {at_least:.0%} to {at_most:.0%}, not '{text}'")
    return value


def parse_layers(option: str, text: str) -> tuple[float, float, float]:
    """Return the shares of requests that edge, Redis and database answer, from `70/25/5` in percent.

    Raises:
        OpsError: they are not three percentages that make 100 %.
    """
    parts = text.split("/")
    if len(parts) != 3:
        raise OpsError(
            f"{option} takes three percentages, edge/redis/database, such as 70/25/5, not '{text}'"
        )
    edge, redis, database = (parse_share(option, part) for part in parts)
    if not math.isclose(edge + redis + database, 1.0, abs_tol=1e-6):
        total = (edge + redis + database) * 100
        raise OpsError(f"{option} takes percentages that make 100, and those of '{text}' make {total:g}")
    return edge, redis, database


def format_amount(value: float) -> str:
    """Return a number with k, M or B and at most three digits."""
    for suffix, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.3g}{suffix}" if value < 1000 * size else f"{value / size:,.0f}{suffix}"
    return f"{value:.3g}"


def _hint(match: re.Match[str] | None) -> str:
    if match is None or not match[2]:
        return ""
    return f": '{match[2]}' is no unit; use {', '.join(name for name in MULTIPLIERS if name)}"
