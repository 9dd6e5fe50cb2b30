"""A violation is explained by the operations on its subject and the faults during them, by nothing else."""

from verify.chaos.explanation import FAULT_EFFECT_S, MAX_TRACE_LINES, explain_violation
from verify.chaos.fault_schedule import ChaosFaultKind, Fault
from verify.chaos.operation_log import Operation, OperationLog, unexpected_answer_subject


def make_operation(
    at_s: float, subject: str = "app_1", *, took_s: float = 0.0, detail: str = "int_1"
) -> Operation:
    return Operation(at_s, "usr_1", "move", subject, 200, "", 1, detail, took_s)


def make_operation_log(*operations: Operation) -> OperationLog:
    return OperationLog(operations=list(operations))


def make_fault(at_s: float, target: str, for_s: float = 0.0) -> Fault:
    return Fault(at_s, ChaosFaultKind.PAUSE, target, for_s)


def trace_subjects(lines: list[str]) -> list[str]:
    """Return the subjects of operations and the targets of faults, in order."""
    return [line.split("pause ")[1].split()[0] if "*" in line else line.split()[4] for line in lines]


def test_operations_and_the_faults_that_overlapped_them_are_listed_by_time() -> None:
    done = make_operation_log(make_operation(20.0), make_operation(21.0, "app_2"), make_operation(40.0))
    struck = [make_fault(18.0, "envoy", 4.0), make_fault(35.0, "rabbit", 3.0)]
    assert trace_subjects(explain_violation("app_1", done, struck)) == ["envoy", "app_1", "rabbit", "app_1"]


def test_faults_long_before_or_long_after_are_left_out() -> None:
    over = make_fault(2.0, "envoy", 20.0 - FAULT_EFFECT_S - 2.1)
    later = make_fault(20.1 + FAULT_EFFECT_S, "rabbit", 5.0)
    felt, following = (
        make_fault(20.0 - FAULT_EFFECT_S, "redis-1"),
        make_fault(20.0 + FAULT_EFFECT_S, "mongo-s1"),
    )
    lines = explain_violation(
        "app_1", make_operation_log(make_operation(20.0)), [over, felt, following, later]
    )
    assert trace_subjects(lines) == ["redis-1", "app_1", "mongo-s1"]


def test_a_fault_during_a_pending_request_counts() -> None:
    lines = explain_violation(
        "app_1", make_operation_log(make_operation(60.0, took_s=50.0)), [make_fault(20.0, "envoy", 5.0)]
    )
    assert trace_subjects(lines) == ["envoy", "app_1"]


def test_the_trace_of_a_listing_includes_its_applications() -> None:
    assert trace_subjects(
        explain_violation(
            "int_1",
            make_operation_log(
                make_operation(1.0), make_operation(2.0, "app_2"), make_operation(3.0, detail="int_2")
            ),
            [],
        )
    ) == [
        "app_1",
        "app_2",
    ]


def test_a_long_trace_keeps_its_beginning_and_its_end() -> None:
    lines = explain_violation(
        "int_1",
        make_operation_log(*(make_operation(float(number), f"app_{number}") for number in range(100))),
        [],
    )
    assert len(lines) == MAX_TRACE_LINES + 1
    assert trace_subjects([lines[0], lines[-1]]) == ["app_0", "app_99"]
    assert lines[1] == f"... {100 - MAX_TRACE_LINES} more ..."


def test_answers_that_nobody_should_get_are_findings_with_the_calls_that_got_them() -> None:
    found = make_operation_log()
    found.call_counts.update({"200": 9, "503": 3, "500": 1, "401": 2})
    found.record(
        who="",
        what="GET /x",
        subject=unexpected_answer_subject("500"),
        answer=500,
        reason="INTERNAL",
        tries=1,
    )
    assert [each.subject for each in found.find_unexpected_answers()] == [
        unexpected_answer_subject("401"),
        unexpected_answer_subject("500"),
    ]
    [line] = explain_violation(unexpected_answer_subject("500"), found, [])
    assert "GET /x" in line
