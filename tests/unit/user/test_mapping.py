from google.protobuf.json_format import MessageToDict

from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import CompanySize, Student
from services.user.domain.company import Company
from services.user.mapping import entity_from_message, entity_to_message
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
