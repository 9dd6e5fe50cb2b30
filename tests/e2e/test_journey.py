"""The main journey over HTTP, from two registrations to a filled listing."""

from devstack.journey.client import ApiUser
from devstack.journey.main_journey import Journey, JourneyUsers
from tests.stack import StackHandle

Walked = tuple[JourneyUsers, Journey]


def _subjects(person: ApiUser) -> str:
    return "\n".join(mail["subject"] for mail in person.mails())


def test_the_listing_is_filled_when_the_student_accepts(walked: Walked) -> None:
    _, journey = walked
    assert journey.internship["state"] == "INTERNSHIP_STATE_FILLED"
    assert journey.internship["hires"] == 1


def test_the_student_sees_statuses_and_never_the_companys_notes(walked: Walked) -> None:
    cast, journey = walked
    seen = cast.student.get(f"/api/v1/applications/{journey.application['id']}")
    assert seen["status"] == "STUDENT_STATUS_HIRED"
    assert [entry["status"] for entry in seen["history"]] == [
        "STUDENT_STATUS_RECEIVED",
        "STUDENT_STATUS_IN_REVIEW",
        "STUDENT_STATUS_INTERVIEW",
        "STUDENT_STATUS_OFFER",
        "STUDENT_STATUS_HIRED",
    ]
    assert "Strong on messaging" not in str(seen)
    assert seen["state"] == "APPLICATION_STATE_UNSPECIFIED"


def test_the_company_sees_states_notes_and_who_moved(walked: Walked) -> None:
    cast, journey = walked
    seen = cast.company.get(f"/api/v1/applications/{journey.application['id']}")
    assert [entry["to"].removeprefix("APPLICATION_STATE_") for entry in seen["history"]] == [
        "SUBMITTED",
        "IN_REVIEW",
        "INTERVIEW",
        "OFFERED",
        "HIRED",
    ]
    assert "Strong on messaging" in [entry["note"] for entry in seen["history"]]
    assert seen["applicant"]["name"] == "Sam Okafor"
    assert [skill["name"] for skill in seen["applicant"]["profile"]["skills"]] == ["Python", "gRPC"]


def test_each_person_gets_one_mail_for_each_step_that_concerns_them(walked: Walked) -> None:
    cast, _ = walked
    for person in (cast.student, cast.company):
        ids = [mail["headers"]["Message-ID"][0] for mail in person.mails()]
        assert len(ids) == len(set(ids)), _subjects(person)
    texts = "\n".join(mail["text"] for mail in cast.student.mails())
    assert all(word in texts for word in ("interview", "offer", "place"))


def test_the_funnel_counts_every_stage_that_was_reached(walked: Walked) -> None:
    _, journey = walked
    reached = {stage["stage"]: stage["reached"] for stage in journey.funnel["stages"]}
    assert {name for name, count in reached.items() if count} == {
        "SUBMITTED",
        "IN_REVIEW",
        "INTERVIEW",
        "OFFERED",
        "HIRED",
    }
    assert journey.funnel["applications"] == 1


def test_a_filled_listing_takes_no_application_and_is_no_longer_found(walked: Walked) -> None:
    cast, journey = walked
    found = cast.student.get("/api/v1/internships", q=cast.marker)["data"]
    assert journey.internship["id"] not in [each["id"] for each in found]


def test_the_inbox_marks_what_was_read(walked: Walked) -> None:
    cast, _ = walked
    before = cast.student.get("/api/v1/notifications", unreadOnly=True)
    first = before["data"][0]["id"]
    after = cast.student.post("/api/v1/notifications:markRead", notificationIds=[first])
    assert after["unreadCount"] == before["unreadCount"] - 1
    assert cast.student.post("/api/v1/notifications:markRead", all=True) == {"unreadCount": 0}


def test_health_readiness_and_the_api_page_answer_at_the_gateway(
    stack: StackHandle, visitor: ApiUser
) -> None:
    assert visitor.get("/health") == {"status": "ok"}
    assert visitor.get("/ready") == {"status": "ready"}
    assert visitor.get("/openapi.json")["openapi"] == "3.1.0"
