"""Offers never exceed the openings, and nobody waits for a listing that has ended; through the gateway."""

import secrets
from collections.abc import Callable

import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import sample_listing

NewPerson = Callable[..., ApiUser]


def moved(owner: ApiUser, application: Json, *states: str) -> Json:
    """Return the application after its company has moved it through some states."""
    seen = owner.get(f"/api/v1/applications/{application['id']}")
    for state in states:
        seen = owner.post(
            f"/api/v1/applications/{seen['id']}:move", to=f"APPLICATION_STATE_{state}", etag=seen["etag"]
        )
    return seen


def ended(person: ApiUser, application: Json) -> Json:
    """Return the application as its student sees it, once it is closed."""

    def closed() -> Json | None:
        seen = person.get(f"/api/v1/applications/{application['id']}")
        return seen if seen["status"] == "STUDENT_STATUS_CLOSED" else None

    return wait_for_result(closed, "the application to be closed")


def test_a_second_offer_for_one_opening_is_refused_and_the_hire_ends_the_others_with_notice(
    owner: ApiUser, new_person: NewPerson
) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)) | {"questions": []})
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    students = [new_person() for _ in range(2)]
    first, second = [each.post("/api/v1/applications", internshipId=draft["id"]) for each in students]
    moved(owner, first, "SHORTLISTED", "OFFERED")
    with pytest.raises(ApiError) as refused:
        moved(owner, second, "SHORTLISTED", "OFFERED")
    assert refused.value.reason == "NO_OPENING_LEFT"
    assert "WAITLISTED" in refused.value.body["message"]
    moved(owner, second, "WAITLISTED")
    students[0].post(f"/api/v1/applications/{first['id']}:accept")
    assert ended(students[1], second)["closedReason"] == "CLOSED_REASON_LISTING_FILLED"
    students[1].await_mail(lambda mail: "All places" in mail["text"])


def test_a_closed_listing_ends_its_applications_with_its_reason(owner: ApiUser, student: ApiUser) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)) | {"questions": []})
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    application = student.post("/api/v1/applications", internshipId=draft["id"])
    owner.post(f"/api/v1/internships/{draft['id']}:close")
    assert ended(student, application)["closedReason"] == "CLOSED_REASON_LISTING_ENDED"
