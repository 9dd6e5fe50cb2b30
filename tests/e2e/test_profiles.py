"""A student brings a résumé, is found by a skill's other name, looked at, and sees who looked; over HTTP."""

import secrets
from typing import Any, Final

import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD
from tests.e2e.conftest import NewPerson
from tests.stack import StackHandle

ME: Final = "/api/v1/users/me"
RESUME: Final[Json] = {
    "$schema": "https://example.org/schema.json",
    "basics": {
        "name": "Robin Doe",
        "label": "Second-year student of computer science",
        "phone": "+49 30 1234567",
        "location": {"city": "Hamburg", "countryCode": "DE"},
        "profiles": [{"network": "Code", "url": "https://code.example.org/robin"}],
    },
    "education": [{"institution": "Universität Hamburg", "area": "Informatik", "endDate": "2027-09"}],
    "skills": [{"name": "K8s", "level": "Advanced", "keywords": ["Python"]}],
    "meta": {"internshipconnect": {"workAuthorisation": ["DE"], "availability": {"from": "2027-03-01"}}},
}


@pytest.fixture(scope="module")
def school_student(stack: StackHandle) -> ApiUser:
    """Return a student whose address is at a school, with a profile from a JSON Resume."""
    address = f"robin.{secrets.token_hex(6)}@uni-hamburg.de"
    person = ApiUser(stack.gateway_url, stack.mailbox_url, address)
    person.register(password=JOURNEY_PASSWORD, name="Robin Doe")
    person.verify()
    wait_for_result(lambda: person.get(ME)["studentVerified"] or None, "the school's student")
    person.post(f"{ME}/json-resume:import", resume=RESUME)
    return person


def found(recruiter: ApiUser, student: ApiUser, **query: Any) -> Json | None:
    """Return the student's card in a search, if it is there."""
    cards: list[Json] = recruiter.get("/api/v1/students/search", pageSize=50, **query)["data"]
    return next((card for card in cards if card["id"] == student.user["id"]), None)


def test_a_resume_is_imported_found_by_a_skills_other_name_and_each_look_is_shown(
    school_student: ApiUser, new_person: NewPerson
) -> None:
    student, recruiter = school_student, new_person(company="Harbour Works")
    assert found(recruiter, student, school="Hamburg") is None
    student.patch(ME, student={"visibility": "VISIBILITY_RECRUITERS", "openToWork": True})

    query = {"skills": ["kubernetes", "py"], "school": "universität hamburg", "graduationFrom": "2027-01"}
    card = found(recruiter, student, **query)
    assert card is not None
    assert (card["name"], card["openToWork"], card["studentVerified"]) == ("Robin Doe", True, True)
    hidden = found(recruiter, student, skills="ic:kubernetes", blind="true")
    assert hidden is not None
    assert (hidden["name"], hidden["education"][0]["institution"]) == ("", "")
    assert student.get(f"{ME}/profile-accesses")["data"] == []

    opened = recruiter.get(f"/api/v1/students/{card['id']}")
    assert opened["profile"]["links"] == [{"label": "Code", "url": "https://code.example.org/robin"}]
    assert (opened["verifiedSchool"], opened["blind"]) == ("Universität Hamburg", False)
    blind = recruiter.get(f"/api/v1/students/{card['id']}", blind="true")
    assert (blind["name"], blind["profile"]["links"], blind["verifiedSchool"]) == ("", [], "")

    [entry] = student.get(f"{ME}/profile-accesses")["data"]
    assert (entry["companyName"], entry["kind"], entry["count"]) == (
        "Harbour Works",
        "PROFILE_ACCESS_KIND_PROFILE",
        2,
    )
    assert (entry["companyId"], entry["roles"]) == (recruiter.user["companyId"], ["COMPANY_ROLE_OWNER"])
    assert recruiter.user["id"] not in str(entry)


def test_a_profile_goes_out_and_in_again_and_says_what_it_lacks(
    school_student: ApiUser, new_person: NewPerson
) -> None:
    exported = school_student.get(f"{ME}/json-resume")["resume"]
    assert [skill["name"] for skill in exported["skills"]] == ["K8s", "Python"]
    assert exported["meta"]["internshipconnect"]["workAuthorisation"] == ["DE"]
    other = new_person()
    before = wait_for_result(lambda: other.get(f"{ME}/completeness"), "the other student's profile")
    assert before["nextPart"] == "PROFILE_PART_EDUCATION"
    dry = other.post(f"{ME}/json-resume:import", resume=exported, dryRun=True)
    assert other.get(ME)["student"]["skills"] == []
    real = other.post(f"{ME}/json-resume:import", resume=exported)
    assert dry["me"]["student"] == real["me"]["student"]
    assert [note["path"] for note in real["notes"]] == ["basics.email"]
    assert [skill["id"] for skill in real["me"]["student"]["skills"]] == ["ic:kubernetes", "ic:python"]
    after = other.get(f"{ME}/completeness")
    assert before["score"] < after["score"] < 100
    assert after["nextStep"]


def test_what_does_not_fit_is_listed_and_what_is_no_document_refused(new_person: NewPerson) -> None:
    student = new_person()
    odd: Json = {
        "basics": {"label": "x" * 200, "image": "https://example.org/me.png"},
        "work": [{"position": "Nobody's"}, {"name": "A", "startDate": "2024-13", "staff": {"a": [1, None]}}],
    }
    wait_for_result(lambda: student.get(ME)["etag"], "the profile")
    notes = student.post(f"{ME}/json-resume:import", resume=odd)["notes"]
    assert {note["path"] for note in notes} == {
        "basics.label",
        "basics.image",
        "work[0].name",
        "work[1].startDate",
        "work[1].staff",
    }
    bodies: tuple[Json, ...] = ({}, {"resume": []}, {"resume": "text"}, {"resume": {}, "unknown": 1})
    for wrong in bodies:
        with pytest.raises(ApiError) as refused:
            student.post(f"{ME}/json-resume:import", **wrong)
        assert refused.value.reason in {"INVALID_FIELD", "MALFORMED_REQUEST"}, wrong


def test_skills_are_suggested_to_anybody(visitor: ApiUser) -> None:
    suggestions = visitor.get("/api/v1/skills:suggest", q="k8")["suggestions"]
    assert suggestions[0] == {"id": "ic:kubernetes", "name": "Kubernetes", "matchedName": "k8s"}
    assert visitor.get("/api/v1/skills:suggest", q="pyhton")["suggestions"][0]["id"] == "ic:python"
    assert visitor.get("/api/v1/skills:suggest", q="")["suggestions"] == []


def test_a_hidden_student_cannot_be_opened_and_a_student_opens_nobody(
    student: ApiUser, owner: ApiUser
) -> None:
    with pytest.raises(ApiError) as hidden:
        owner.get(f"/api/v1/students/{student.user['id']}")
    assert (hidden.value.status, hidden.value.reason) == (404, "USER_NOT_FOUND")
    with pytest.raises(ApiError) as refused:
        student.get(f"/api/v1/students/{student.user['id']}")
    assert refused.value.reason == "PERMISSION_DENIED"
    with pytest.raises(ApiError) as none_of_theirs:
        owner.get(f"{ME}/profile-accesses")
    assert none_of_theirs.value.reason == "PERMISSION_DENIED"
