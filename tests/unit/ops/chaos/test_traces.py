"""A finding is explained by what was told about its subject and what struck meanwhile, by nothing else."""

from ops.chaos.ledger import Deed, Ledger, odd
from ops.chaos.schedule import Kind, Strike
from ops.chaos.traces import AFTERMATH_S, LONGEST, trace


def deed(at_s: float, subject: str = "app_1", *, took_s: float = 0.0, detail: str = "int_1") -> Deed:
    return Deed(at_s, "usr_1", "move", subject, 200, "", 1, detail, took_s)


def ledger(*deeds: Deed) -> Ledger:
    return Ledger(deeds=list(deeds))


def strike(at_s: float, target: str, for_s: float = 0.0) -> Strike:
    return Strike(at_s, Kind.PAUSE, target, for_s)


def told(lines: list[str]) -> list[str]:
    """The subjects of deeds and the targets of strikes, in order."""
    return [line.split("pause ")[1].split()[0] if "*" in line else line.split()[4] for line in lines]


def test_deeds_and_the_strikes_that_overlapped_them_are_told_in_order_of_time() -> None:
    done = ledger(deed(20.0), deed(21.0, "app_2"), deed(40.0))
    struck = [strike(18.0, "envoy", 4.0), strike(35.0, "rabbit", 3.0)]
    assert told(trace("app_1", done, struck)) == ["envoy", "app_1", "rabbit", "app_1"]


def test_strikes_are_left_out_that_were_over_long_before_or_came_long_after() -> None:
    over = strike(2.0, "envoy", 20.0 - AFTERMATH_S - 2.1)
    later = strike(20.1 + AFTERMATH_S, "rabbit", 5.0)
    felt, following = strike(20.0 - AFTERMATH_S, "redis-1"), strike(20.0 + AFTERMATH_S, "mongo-s1")
    lines = trace("app_1", ledger(deed(20.0)), [over, felt, following, later])
    assert told(lines) == ["redis-1", "app_1", "mongo-s1"]


def test_a_strike_while_somebody_was_still_asking_counts() -> None:
    lines = trace("app_1", ledger(deed(60.0, took_s=50.0)), [strike(20.0, "envoy", 5.0)])
    assert told(lines) == ["envoy", "app_1"]


def test_of_a_listing_the_applications_for_it_are_told_too() -> None:
    assert told(trace("int_1", ledger(deed(1.0), deed(2.0, "app_2"), deed(3.0, detail="int_2")), [])) == [
        "app_1",
        "app_2",
    ]


def test_a_long_trace_keeps_its_beginning_and_its_end() -> None:
    lines = trace("int_1", ledger(*(deed(float(number), f"app_{number}") for number in range(100))), [])
    assert len(lines) == LONGEST + 1
    assert told([lines[0], lines[-1]]) == ["app_0", "app_99"]
    assert lines[1] == f"... {100 - LONGEST} more ..."


def test_answers_that_nobody_should_get_are_findings_with_the_calls_that_got_them() -> None:
    found = ledger()
    found.calls.update({"200": 9, "503": 3, "500": 1, "401": 2})
    found.note(who="", what="GET /x", subject=odd("500"), answer=500, reason="INTERNAL", tries=1)
    assert [each.subject for each in found.never_to_be()] == [odd("401"), odd("500")]
    [line] = trace(odd("500"), found, [])
    assert "GET /x" in line
