"""The schedule of faults: drawn from a seed, so that a run can be repeated."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ops.errors import OpsError


class ChaosFaultKind(StrEnum):
    """The effect of a fault on a process, a store or a relay."""

    KILL = "kill"
    PAUSE = "pause"
    RESTART = "restart"
    DELAY = "delay"
    HANG = "hang"
    DOWN = "down"
    FULL_DISK = "full-disk"
    SKEW = "skew"
    STEAL = "steal"


FaultTargets = Mapping[ChaosFaultKind, Sequence[str]]
"""The possible targets by kind of fault."""


@dataclass(frozen=True)
class Fault:
    """`kind` happens to `target`, `at_s` seconds after the start of the run, and lasts for `for_s`.

    A killed or restarted process comes back by itself, so it has no duration. `minutes` is how far a clock is
    ahead, or behind when negative.
    """

    at_s: float
    kind: ChaosFaultKind
    target: str
    for_s: float = 0.0
    minutes: int = 0

    @property
    def ends_at_s(self) -> float:
        """Its end, in seconds after the start of the run."""
        return self.at_s + self.for_s

    def __str__(self) -> str:
        by = f" by {self.minutes:+d} min" if self.minutes else ""
        lasting = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.kind} {self.target}{by}{lasting}"


FIRST_FAULT_AT_S: Final = 5.0
FAULT_GAP_RANGE_S: Final = (3.0, 10.0)
FAULT_DURATION_RANGE_S: Final = (1.0, 8.0)
"""Longer than every deadline, so that calls reach both sides of a time-out."""
SKEW_DURATION_RANGE_S: Final = (12.0, 25.0)
"""Long enough for a process with a skewed clock to start."""
FINAL_QUIET_S: Final = 10.0
"""At the end of a run there are no faults, so that users finish their operations."""
INSTANT_KINDS: Final = frozenset({ChaosFaultKind.KILL, ChaosFaultKind.RESTART})
SKEW_MINUTES: Final = (-5, -4, -3, -2, 2, 3, 4, 5)


def draw_faults(seed: int, seconds: float, targets: FaultTargets) -> list[Fault]:
    """Return the faults of a run in order; faults of different targets may overlap, those of one do not."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    faults: list[Fault] = []
    at_s = FIRST_FAULT_AT_S
    while at_s < seconds - FINAL_QUIET_S:
        fault = _draw_fault(dice, round(at_s, 1), seconds - FINAL_QUIET_S - at_s, targets)
        if not any(_is_same_target_meanwhile(fault, other) for other in faults):
            faults.append(fault)
        at_s += dice.uniform(*FAULT_GAP_RANGE_S)
    return faults


def select_fault_targets(targets: FaultTargets, only: Sequence[str]) -> FaultTargets:
    """Return the requested ones of all possible faults: `KIND` or `KIND:TARGET` each; all without a request.

    Raises:
        OpsError: there is no such kind, or it has no such target here; the message lists those there are.
    """
    if not only:
        return targets
    found: dict[ChaosFaultKind, list[str]] = {}
    for wish in only:
        name, _, target = wish.partition(":")
        kind = _parse_kind(name, targets)
        if target and target not in targets[kind]:
            raise OpsError(f"'{target}' cannot be struck by {kind}; what can: {', '.join(targets[kind])}")
        found.setdefault(kind, []).extend([target] if target else targets[kind])
    return found


def _parse_kind(name: str, targets: FaultTargets) -> ChaosFaultKind:
    there = [kind for kind in ChaosFaultKind if targets.get(kind)]
    if name not in there:
        hint = "; stores are disturbed on a stack made with --faults" if name in set(ChaosFaultKind) else ""
        raise OpsError(f"there is no fault '{name}' here; there are: {', '.join(there)}{hint}")
    return ChaosFaultKind(name)


def _draw_fault(dice: random.Random, at_s: float, left_s: float, targets: FaultTargets) -> Fault:
    kind = dice.choice([kind for kind in ChaosFaultKind if targets.get(kind)])
    target = dice.choice(list(targets[kind]))
    lasts_s = min(
        dice.uniform(*(SKEW_DURATION_RANGE_S if kind is ChaosFaultKind.SKEW else FAULT_DURATION_RANGE_S)),
        left_s,
    )
    minutes = dice.choice(SKEW_MINUTES) if kind is ChaosFaultKind.SKEW else 0
    return Fault(at_s, kind, target, 0.0 if kind in INSTANT_KINDS else round(lasts_s, 1), minutes)


def _is_same_target_meanwhile(fault: Fault, other: Fault) -> bool:
    return fault.target == other.target and fault.at_s <= other.ends_at_s
