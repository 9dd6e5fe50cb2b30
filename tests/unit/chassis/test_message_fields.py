"""What Python cannot read of a message as it is."""

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from google.protobuf.descriptor_pb2 import FieldOptions
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.message_fields import EnumNames, from_field, read_timestamp, set_from_field, to_datetime
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1.events_pb2 import ApplicationMoved

STATES = EnumNames(pb.ApplicationState.DESCRIPTOR)


class State(StrEnum):
    SUBMITTED = "SUBMITTED"
    HIRED = "HIRED"


def test_values_are_named_without_the_prefix_of_their_enum() -> None:
    assert STATES.name(pb.APPLICATION_STATE_HIRED) == "HIRED"
    assert STATES.name(0) == "UNSPECIFIED"
    assert STATES.number("HIRED") == pb.APPLICATION_STATE_HIRED


def test_a_member_of_the_domain_becomes_its_value_and_back() -> None:
    assert STATES.number(State.SUBMITTED) == pb.APPLICATION_STATE_SUBMITTED
    assert STATES.member(State, pb.APPLICATION_STATE_SUBMITTED) is State.SUBMITTED


def test_none_is_unspecified_and_unspecified_none() -> None:
    assert STATES.number(None) == 0
    assert STATES.member_or_none(State, 0) is None
    assert STATES.member_or_none(State, pb.APPLICATION_STATE_HIRED) is State.HIRED


def test_what_the_enum_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError):
        STATES.number("LOST")
    with pytest.raises(KeyError):
        STATES.name(999)
    with pytest.raises(ValueError, match="DRAFT"):
        STATES.member(State, pb.APPLICATION_STATE_DRAFT)


def test_an_enum_without_an_unspecified_value_has_no_prefix_to_leave_out() -> None:
    with pytest.raises(ValueError, match="value 0 is STRING"):
        EnumNames(FieldOptions.CType.DESCRIPTOR)


def test_a_time_is_read_in_utc_and_in_whole_milliseconds() -> None:
    stamp = Timestamp()
    stamp.FromDatetime(datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2))))
    assert to_datetime(stamp) == datetime(2026, 3, 1, 10, 0, 0, 123_000, tzinfo=UTC)


def test_a_time_that_is_absent_is_none() -> None:
    moved = ApplicationMoved()
    assert read_timestamp(moved, "offer_expire_time") is None
    moved.offer_expire_time.FromSeconds(60)
    assert read_timestamp(moved, "offer_expire_time") == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def test_a_field_named_from_can_be_read_and_set() -> None:
    moved = ApplicationMoved()
    set_from_field(moved, pb.APPLICATION_STATE_OFFERED)
    assert from_field(moved) == pb.APPLICATION_STATE_OFFERED
