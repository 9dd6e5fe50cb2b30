"""What a student is shown for the states of an application."""

import pytest

from chassis.contracts import ContractError
from chassis.message_fields import EnumNames
from chassis.shown_states import ShownState, read_shown_states
from internshipconnect.application.v1 import application_pb2

APPLICATION_STATE = "internshipconnect.application.v1.ApplicationState"
STATES = application_pb2.ApplicationState.DESCRIPTOR
STATUSES = application_pb2.StudentStatus.DESCRIPTOR


def test_every_state_of_an_application_declares_what_the_student_is_shown() -> None:
    names = EnumNames(STATES)
    assert set(read_shown_states(APPLICATION_STATE)) == {
        names.name(value.number) for value in STATES.values[1:]
    }


def test_what_is_shown_is_a_status_that_answers_can_carry_and_each_is_used() -> None:
    names = EnumNames(STATUSES)
    shown = {each.status for each in read_shown_states(APPLICATION_STATE).values()}
    assert shown == {names.name(value.number) for value in STATUSES.values[1:]}


def test_states_that_look_alike_to_the_student_look_alike_in_every_way() -> None:
    shown = set(read_shown_states(APPLICATION_STATE).values())
    assert len({each.status for each in shown}) == len({each.words for each in shown}) == len(shown)


def test_a_student_is_not_told_the_companys_own_steps() -> None:
    shown = read_shown_states(APPLICATION_STATE)
    in_review = ShownState("IN_REVIEW", "In review", 2)
    assert shown["SHORTLISTED"] == shown["WAITLISTED"] == shown["IN_REVIEW"] == in_review
    assert shown["REJECTED"] == ShownState("NOT_SELECTED", "Not selected", 6)


def test_an_enum_whose_values_declare_nothing_is_refused_by_the_first_of_them() -> None:
    with pytest.raises(ContractError, match="CLOSED_REASON_LISTING_ENDED does not declare"):
        read_shown_states("internshipconnect.application.v1.ClosedReason")
    with pytest.raises(KeyError):
        read_shown_states("internshipconnect.application.v1.Absent")
