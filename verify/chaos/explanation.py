"""The shortest useful explanation of a violation."""

from collections.abc import Iterable
from typing import Final

from verify.chaos.fault_schedule import Fault
from verify.chaos.operation_log import Operation, OperationLog

FAULT_EFFECT_S: Final = 10.0
"""How long after its end a fault may have effects (a process starts, a lease expires), and the effects of a
change are still in progress (events, mails)."""
MAX_TRACE_LINES: Final = 20


def explain_violation(subject: str, operation_log: OperationLog, faults: Iterable[Fault]) -> list[str]:
    """Return the operations on the subject and the faults during them, in order of time.

    Of a long list, the first operation and the last ones are kept: a violation usually follows the last right
    one.
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
    """Return whether the fault was in force, or had effects, during operations on the subject."""
    return any(
        fault.at_s <= operation.at_s + FAULT_EFFECT_S
        and operation.asked_at_s <= fault.ends_at_s + FAULT_EFFECT_S
        for operation in operations
    )
