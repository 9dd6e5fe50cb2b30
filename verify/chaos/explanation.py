"""What explains a violation, as briefly as can be."""

from collections.abc import Iterable
from typing import Final

from verify.chaos.fault_schedule import Fault
from verify.chaos.operation_log import Operation, OperationLog

FAULT_EFFECT_S: Final = 10.0
"""For so long after its end a fault may be felt (a process starts, a lease runs out), and what follows from
a change is on its way (events, mails)."""
MAX_TRACE_LINES: Final = 20


def explain_violation(subject: str, operation_log: OperationLog, faults: Iterable[Fault]) -> list[str]:
    """Return the operations on the subject and the faults during them, in order of time.

    Of a long list, the first operation and the last ones: the violation followed the last that was right.
    """
    operations = operation_log.operations_about(subject)
    told = [(operation.at_s, str(operation)) for operation in operations]
    struck = [
        (fault.at_s, f"{fault.at_s:7.2f} s  * {fault}") for fault in faults if _is_felt_by(fault, operations)
    ]
    lines = [line for _, line in sorted([*told, *struck])]
    if len(lines) <= MAX_TRACE_LINES:
        return lines
    left_out = len(lines) - MAX_TRACE_LINES
    return [lines[0], f"... {left_out} more ...", *lines[left_out + 1 :]]


def _is_felt_by(fault: Fault, operations: Iterable[Operation]) -> bool:
    """Whether it struck, or was still felt, while something about the subject was asked for or followed."""
    return any(
        fault.at_s <= operation.at_s + FAULT_EFFECT_S
        and operation.asked_at_s <= fault.ends_at_s + FAULT_EFFECT_S
        for operation in operations
    )
