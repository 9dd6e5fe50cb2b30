"""What strikes when: drawn from a seed, so that a run can be repeated."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What is done to a process or a store."""

    KILL = "kill"
    PAUSE = "pause"
    RESTART = "restart"
    DELAY = "delay"
    HANG = "hang"
    DOWN = "down"


@dataclass(frozen=True)
class Strike:
    """`kind` is done to `target`, `at_s` seconds after the start of the run, and lasts for `for_s`.

    A killed or restarted process comes back by itself: it lasts for no time.
    """

    at_s: float
    kind: Kind
    target: str
    for_s: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.kind} {self.target}{lasting}"


FIRST_AT_S: Final = 5.0
GAP_S: Final = (3.0, 10.0)
LASTS_S: Final = (1.0, 8.0)
"""Longer than every deadline, so that calls meet both sides of a timeout."""
QUIET_S: Final = 10.0
"""At the end of a run nothing strikes, so that people finish what they are at."""
AT_A_MOMENT: Final = frozenset({Kind.KILL, Kind.RESTART})


def drawn(seed: int, seconds: float, targets: Mapping[Kind, Sequence[str]]) -> list[Strike]:
    """The strikes of a run, in order; the next may come while one still lasts, but never at its target."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    strikes: list[Strike] = []
    at_s = FIRST_AT_S
    while at_s < seconds - QUIET_S:
        kind = dice.choice([kind for kind in Kind if targets.get(kind)])
        target = dice.choice(list(targets[kind]))
        lasts_s = min(dice.uniform(*LASTS_S), seconds - QUIET_S - at_s)
        strike = Strike(round(at_s, 1), kind, target, 0.0 if kind in AT_A_MOMENT else round(lasts_s, 1))
        if not any(_meets(strike, other) for other in strikes):
            strikes.append(strike)
        at_s += dice.uniform(*GAP_S)
    return strikes


def _meets(strike: Strike, other: Strike) -> bool:
    return strike.target == other.target and strike.at_s <= other.at_s + other.for_s
