"""What explains a finding, as briefly as can be."""

from collections.abc import Iterable
from typing import Final

from verify.chaos.fault_schedule import Fault
from verify.chaos.operation_log import Operation, OperationLog

FAULT_EFFECT_S: Final = 10.0
"""For so long after its end a strike may be felt (a process starts, a lease runs out), and what follows from
a change is on its way (events, mails)."""
MAX_TRACE_LINES: Final = 20


def explain_violation(subject: str, ledger: OperationLog, strikes: Iterable[Fault]) -> list[str]:
    """What was told about the subject and what struck meanwhile, in order of time.

    Of much, the first deed and what came last: what is wrong now went wrong after the last that was right.
    """
    deeds = ledger.about(subject)
    told = [(deed.at_s, str(deed)) for deed in deeds]
    struck = [
        (strike.at_s, f"{strike.at_s:7.2f} s  * {strike}") for strike in strikes if _is_felt_by(strike, deeds)
    ]
    lines = [line for _, line in sorted([*told, *struck])]
    if len(lines) <= MAX_TRACE_LINES:
        return lines
    left_out = len(lines) - MAX_TRACE_LINES
    return [lines[0], f"... {left_out} more ...", *lines[left_out + 1 :]]


def _is_felt_by(strike: Fault, deeds: Iterable[Operation]) -> bool:
    """Whether it struck, or was still felt, while something about the subject was asked for or followed."""
    return any(
        strike.at_s <= deed.at_s + FAULT_EFFECT_S and deed.asked_at_s <= strike.until_s + FAULT_EFFECT_S
        for deed in deeds
    )
