"""What explains a finding, as briefly as can be."""

from collections.abc import Iterable
from typing import Final

from ops.chaos.ledger import Deed, Ledger
from ops.chaos.schedule import Strike

AFTERMATH_S: Final = 10.0
"""For so long after its end a strike may be felt (a process starts, a lease runs out), and what follows from
a change is on its way (events, mails)."""
LONGEST: Final = 20


def trace(subject: str, ledger: Ledger, strikes: Iterable[Strike]) -> list[str]:
    """What was told about the subject and what struck meanwhile, in order of time.

    Of much, the first deed and what came last: what is wrong now went wrong after the last that was right.
    """
    deeds = ledger.about(subject)
    told = [(deed.at_s, str(deed)) for deed in deeds]
    struck = [
        (strike.at_s, f"{strike.at_s:7.2f} s  * {strike}") for strike in strikes if _overlaps(strike, deeds)
    ]
    lines = [line for _, line in sorted([*told, *struck])]
    if len(lines) <= LONGEST:
        return lines
    left_out = len(lines) - LONGEST
    return [lines[0], f"... {left_out} more ...", *lines[left_out + 1 :]]


def _overlaps(strike: Strike, deeds: Iterable[Deed]) -> bool:
    """Whether it struck, or was still felt, while something about the subject was asked for or followed."""
    return any(
        strike.at_s <= deed.at_s + AFTERMATH_S and deed.asked_at_s <= strike.until_s + AFTERMATH_S
        for deed in deeds
    )
