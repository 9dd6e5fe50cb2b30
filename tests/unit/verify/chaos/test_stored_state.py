"""Each kind of loss is found, and a run without one is clean."""

from collections.abc import Mapping
from typing import Any

import pytest

from verify.chaos.operation_log import REPEAT, OperationLog
from verify.chaos.stored_state import StoredState, find_contradictions, find_unsettled

STUDENT, OTHER, LISTING = "usr_1", "usr_2", "int_1"
Record = dict[str, Any]


def entry(actor: str, source: str, target: str) -> Record:
    return {"actor": actor, "source": source, "target": target}


SUBMITTED = entry("STUDENT", "DRAFT", "SUBMITTED")
OFFERED = [
    SUBMITTED,
    entry("COMPANY", "SUBMITTED", "SHORTLISTED"),
    entry("COMPANY", "SHORTLISTED", "OFFERED"),
]
HIRED = [*OFFERED, entry("STUDENT", "OFFERED", "HIRED")]


def application(id_: str, student: str = STUDENT, history: list[Record] | None = None) -> Record:
    told = history or [SUBMITTED]
    state = told[-1]["target"]
    return {"_id": id_, "student_id": student, "internship_id": LISTING, "state": state, "history": told}


def make_stored_state(
    *applications: Record,
    openings: int = 1,
    hires: int = 0,
    listing_state: str = "OPEN",
    **changes: Mapping[str, Any],
) -> StoredState:
    """Return a consistent state, in which `changes` replace parts."""
    current: dict[str, int] = {}
    for each in applications:
        current[each["state"]] = current.get(each["state"], 0) + 1
    by_id = {each["_id"]: each for each in applications}
    listing = {
        "_id": LISTING,
        "posting": {"openings": openings},
        "hires": hires,
        "offers": current.get("OFFERED", 0),
        "state": listing_state,
    }
    reached: dict[str, int] = {}
    for state in (state for each in applications for state in {one["target"] for one in each["history"]}):
        reached[state] = reached.get(state, 0) + 1
    figures = {"applications": len(applications), "current": current, "reached": reached}
    parts: dict[str, Mapping[str, Any]] = {
        "listings": {LISTING: listing},
        "applications": by_id,
        "applicants": by_id,
        "figures": {LISTING: figures},
    }
    return StoredState(**(parts | changes))


def told(*operations: tuple[str, str, str, int], detail: str = LISTING) -> OperationLog:
    """Return an operation log of (who, what, subject, answer)."""
    operation_log = OperationLog()
    for who, what, subject, answer in operations:
        operation_log.record(
            who=who, what=what, subject=subject, answer=answer, reason="", tries=1, detail=detail
        )
    return operation_log


def finding_kinds(operation_log: OperationLog, stored_state: StoredState) -> list[str]:
    return [
        violation.description
        for violation in (*find_contradictions(operation_log, stored_state), *find_unsettled(stored_state))
    ]


APPLIED = (STUDENT, "apply", "app_1", 200)


def test_stored_state_that_agrees_with_the_operations_has_no_findings() -> None:
    operation_log = told(APPLIED, (OTHER, "apply", "app_2", 200))
    stored_state = make_stored_state(
        application("app_1", history=HIRED), application("app_2", OTHER), hires=1
    )
    assert finding_kinds(operation_log, stored_state) == []


def test_an_acknowledged_application_that_is_gone_or_anothers_is_found() -> None:
    assert finding_kinds(told(APPLIED), make_stored_state()) == ["an acknowledged application is gone"]
    anothers = finding_kinds(
        told(APPLIED, (OTHER, "apply", "", 0)), make_stored_state(application("app_1", OTHER))
    )
    assert anothers == ["an application is not the one that was acknowledged"]


def test_an_attempt_without_an_answer_may_have_come_to_one_application_and_a_refused_one_to_none() -> None:
    unknown, refused = (STUDENT, "apply", "", 0), (STUDENT, "apply", "", 409)
    assert finding_kinds(told(unknown), make_stored_state(application("app_1"))) == []
    assert finding_kinds(told(unknown), make_stored_state()) == []
    assert finding_kinds(told(refused), make_stored_state(application("app_1"))) == [
        "1 applications came of 0 attempts"
    ]


@pytest.mark.parametrize(
    ("subject", "answer", "violations"), [("app_1", 200, 0), ("", 0, 0), ("", 409, 1), ("app_9", 200, 1)]
)
def test_a_repeat_under_a_key_gets_the_first_answer(subject: str, answer: int, violations: int) -> None:
    operation_log = told(APPLIED)
    operation_log.record(
        who=STUDENT, what=REPEAT, subject=subject, answer=answer, reason="", tries=1, detail="app_1"
    )
    assert len(finding_kinds(operation_log, make_stored_state(application("app_1")))) == violations


def test_two_live_applications_for_one_listing_are_found() -> None:
    found = finding_kinds(told(APPLIED), make_stored_state(application("app_1"), application("app_2")))
    assert found[0] == "two live applications of one student for one listing"


def test_an_acknowledged_move_that_is_not_in_the_history_is_found() -> None:
    operation_log = told(APPLIED)
    operation_log.record(
        who="usr_9", what="move", subject="app_1", answer=200, reason="", tries=1, detail="OFFERED"
    )
    lost = finding_kinds(operation_log, make_stored_state(application("app_1")))
    assert lost == ["1 moves to OFFERED were acknowledged, 0 are in the history"]
    assert finding_kinds(operation_log, make_stored_state(application("app_1", history=OFFERED))) == []


def test_a_history_with_a_gap_or_a_move_that_the_table_forbids_is_found() -> None:
    gap = [SUBMITTED, entry("COMPANY", "SHORTLISTED", "OFFERED")]
    forbidden = [SUBMITTED, entry("COMPANY", "SUBMITTED", "OFFERED")]
    assert (
        "goes on from SHORTLISTED"
        in finding_kinds(told(APPLIED), make_stored_state(application("app_1", history=gap)))[0]
    )
    assert finding_kinds(told(APPLIED), make_stored_state(application("app_1", history=forbidden))) == [
        "COMPANY may not move from SUBMITTED to OFFERED"
    ]


def test_a_way_back_leads_to_the_state_before_and_nowhere_else() -> None:
    rejected = [SUBMITTED, entry("COMPANY", "SUBMITTED", "REJECTED")]
    back = [*rejected, entry("COMPANY", "REJECTED", "SUBMITTED")]
    elsewhere = [*rejected, entry("COMPANY", "REJECTED", "OFFERED")]
    assert finding_kinds(told(APPLIED), make_stored_state(application("app_1", history=back))) == []
    assert finding_kinds(told(APPLIED), make_stored_state(application("app_1", history=elsewhere))) == [
        "COMPANY may not move from REJECTED to OFFERED"
    ]


def test_an_event_that_was_counted_twice_or_not_at_all_is_found() -> None:
    one = application("app_1", history=OFFERED)
    once = {"SUBMITTED": 1, "SHORTLISTED": 1, "OFFERED": 1}
    for reached in (once | {"OFFERED": 2}, {"SUBMITTED": 1, "OFFERED": 1}):
        figures = {"applications": 1, "current": {"OFFERED": 1}, "reached": reached}
        [violation] = finding_kinds(told(APPLIED), make_stored_state(one, figures={LISTING: figures}))
        assert "as ever reached" in violation


def test_more_hires_than_openings_are_found() -> None:
    hired = [application("app_1", history=HIRED), application("app_2", OTHER, HIRED)]
    operation_log = told(APPLIED, (OTHER, "apply", "app_2", 200))
    assert finding_kinds(operation_log, make_stored_state(*hired, hires=2)) == [
        "2 were hired or offered a place for 1 openings"
    ]


def test_offers_beyond_the_openings_are_found() -> None:
    both = [application("app_1", history=HIRED), application("app_2", OTHER, OFFERED)]
    operation_log = told(APPLIED, (OTHER, "apply", "app_2", 200))
    assert finding_kinds(operation_log, make_stored_state(*both, hires=1)) == [
        "2 were hired or offered a place for 1 openings"
    ]


@pytest.mark.parametrize("state", ["FILLED", "CLOSED", "ARCHIVED"])
def test_who_is_left_waiting_at_a_listing_that_has_ended_is_found(state: str) -> None:
    one = application("app_1")
    assert finding_kinds(told(APPLIED), make_stored_state(one, listing_state=state)) == [
        f"it is SUBMITTED and its listing is {state}"
    ]
    assert not finding_kinds(told(APPLIED), make_stored_state(one, listing_state="EXPIRED"))


def test_what_is_derived_and_does_not_agree_is_found() -> None:
    one = application("app_1")
    assert finding_kinds(told(APPLIED), make_stored_state(one, applicants={})) == [
        "the company's list and the applications do not agree"
    ]
    assert "counts 0 applications of 1" in finding_kinds(told(APPLIED), make_stored_state(one, figures={}))[0]
    assert (
        "1 openings are taken by 0 hires" in finding_kinds(told(APPLIED), make_stored_state(one, hires=1))[0]
    )
