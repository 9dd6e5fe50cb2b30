import pytest
from google.protobuf.json_format import MessageToDict

from chassis.search.query_parser import ParsedQuery
from chassis.search.totals import TotalEstimate
from internshipconnect.events.v1.events_pb2 import CompanyStateChanged
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import CompanySize, CompanyState, Student
from services.user.domain.company import Company
from services.user.domain.events import company_state_changed
from services.user.domain.search import StudentPage, StudentPageCursor, StudentSearchPage
from services.user.mapping import (
    cursor_from_token,
    cursor_to_token,
    entity_from_message,
    entity_to_message,
    event_message,
)
from tests.unit.user.samples import COMPANY, NOW, PROFILE, STUDENT


def test_a_student_part_survives_the_way_to_a_message_and_back() -> None:
    message = entity_to_message(pb.StudentProfile, STUDENT)
    unset = [field.name for field in message.DESCRIPTOR.fields if not getattr(message, field.name)]
    assert unset == []
    assert entity_from_message(Student, message) == STUDENT


def test_an_empty_student_part_survives_too() -> None:
    assert entity_from_message(Student, entity_to_message(pb.StudentProfile, Student())) == Student()


def test_a_profile_is_mapped_by_the_names_of_the_contract() -> None:
    told = MessageToDict(entity_to_message(pb.Me, PROFILE))
    assert told["kind"] == "ACCOUNT_KIND_STUDENT"
    assert told["createTime"] == "2027-01-01T00:00:00Z"
    assert told["student"]["availability"] == {"from": "2027-03-01", "to": "2027-09-30", "hoursPerWeek": 40}
    assert told["student"]["preferences"]["workModes"] == ["WORK_MODE_REMOTE", "WORK_MODE_HYBRID"]


def test_an_absent_coordinate_differs_from_zero() -> None:
    message = pb.StudentProfile()
    message.location.lat = 0.0
    location = entity_from_message(Student, message).location
    assert location is not None
    assert (location.lat, location.lng) == (0.0, None)


def test_a_company_survives_with_what_only_the_entity_has() -> None:
    company = Company(COMPANY, "Acme", size=CompanySize.OVER_1000, version=4)
    assert entity_from_message(Company, entity_to_message(pb.Company, company), version=4) == company


def test_times_come_back_as_they_were() -> None:
    company = Company(COMPANY, "Acme", create_time=NOW)
    assert entity_from_message(Company, entity_to_message(pb.Company, company), version=0).create_time == NOW


def test_a_companys_new_state_is_published_with_its_version_and_reason() -> None:
    before = Company("cmp_1", "Acme", version=3)
    after = before.with_state(CompanyState.VERIFIED, "maria", "Checked.", NOW).with_next_version(NOW)
    message = event_message(company_state_changed(before, after, "maria", "Checked."))
    assert isinstance(message, CompanyStateChanged)
    assert (getattr(message, "from"), message.to) == (pb.COMPANY_STATE_UNVERIFIED, pb.COMPANY_STATE_VERIFIED)
    assert (message.company_name, message.company_version, message.reason) == ("Acme", 4, "Checked.")


def test_a_cursor_is_read_from_its_token() -> None:
    assert cursor_from_token([7, "usr_1", 2, 10, 20]) == StudentPageCursor((7, "usr_1"), 2, (10, 20))
    assert cursor_from_token(None) is None


@pytest.mark.parametrize("total", [TotalEstimate(2_312), TotalEstimate(9_000, is_estimate=True)])
def test_the_total_of_the_first_page_goes_on_to_the_next(total: TotalEstimate) -> None:
    page = StudentPage([], has_more=True, missing=[], last=(7, "usr_1"))
    found = StudentSearchPage(page, ParsedQuery(), 2, total)
    assert cursor_from_token(cursor_to_token(found)) == StudentPageCursor((7, "usr_1"), 2, (), total)


def test_the_last_page_has_no_cursor() -> None:
    page = StudentPage([], has_more=False, missing=[])
    assert cursor_to_token(StudentSearchPage(page, ParsedQuery())) is None
