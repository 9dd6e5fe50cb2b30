"""The main journey, step by step: a company and a student, from registration to a filled listing."""

import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from devstack.journey.client import ApiError, ApiUser, HttpExchange, Json, wait_for_result
from devstack.journey.sample_resume import sample_resume
from ops.moderation import ModerationClient

JOURNEY_PASSWORD: Final = "a-long-and-private-passphrase"  # noqa: S105 - of made-up people on a local stack


@dataclass
class JourneyUsers:
    """The people of one journey; `marker` makes their addresses and listing unique."""

    company: ApiUser
    student: ApiUser
    colleague: ApiUser
    marker: str
    moderator: ModerationClient

    @classmethod
    def create(
        cls,
        base_url: str,
        mailbox_url: str,
        moderator: ModerationClient,
        told: Callable[[HttpExchange], None],
        trust: ssl.SSLContext | bool = True,
    ) -> "JourneyUsers":
        """Return new people, who have no account yet; `trust` as for `ApiUser`."""
        marker = secrets.token_hex(4)

        def person(role: str) -> ApiUser:
            return ApiUser(base_url, mailbox_url, f"{role}.{marker}@example.com", told, trust)

        return cls(person("hanna"), person("sam"), person("ines"), marker, moderator)


class Journey:
    """Walks the journey. `steps()` yields the description of each step before it is taken."""

    def __init__(self, cast: JourneyUsers) -> None:
        self._cast = cast
        self.internship: Json = {}
        self.application: Json = {}
        self.document_id = ""
        self._resume = b""
        self.funnel: Json = {}

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield each step's sentence and its function, in order."""
        yield "Hanna opens a company account and proves her e-mail address", self._company_joins
        yield "She drafts a listing and publishes it: her company's first waits for review", self._publish
        yield "A moderator reads it and approves it", self._moderator_approves
        yield (
            "She invites Ines, who opens an account and joins the company as a recruiter",
            self._colleague_joins,
        )
        yield "Ines forgets her password and chooses another by a code from a mail", self._password_is_reset
        yield "Sam opens a student account and proves his address", self._student_joins
        yield "He fills in his profile", self._student_fills_in_profile
        yield (
            "He uploads his résumé and takes over the experience that was read from it",
            self._resume_is_read,
        )
        yield "He finds the listing by a misspelt word, a skill and the city", self._student_searches
        yield "He opens it and applies with his résumé", self._student_applies
        yield "Hanna is told, opens the application and reads the résumé", self._company_reviews
        yield "Sam sees in his access log that her company has opened both", self._student_sees_the_looks
        yield "She invites Sam to an interview", self._company_invites
        yield "She makes an offer", self._company_offers
        yield "Sam accepts, and the listing is filled", self._student_accepts
        yield "Both have the mails and inbox entries of every step", self._everyone_was_told
        yield "The funnel shows how it went", self._figures_agree
        yield "Sam asks for a copy of all his data and gets an archive", self._student_takes_his_data

    def _company_joins(self) -> None:
        company = self._cast.company
        company.register(
            password=JOURNEY_PASSWORD, name="Hanna Weber", company=f"Lighthouse {self._cast.marker}"
        )
        company.verify()

    def _publish(self) -> None:
        draft = self._cast.company.post("/api/v1/internships", **sample_listing(self._cast.marker))
        path = f"/api/v1/internships/{draft['id']}:publish"
        self.internship = self._cast.company.post(path, etag=draft["etag"])

    def _moderator_approves(self) -> None:
        company, id_ = self._cast.company, self.internship["id"]
        self._cast.moderator.decide(id_, "APPROVE", etag=self.internship["etag"])
        self.internship = company.get(f"/api/v1/internships/{id_}")

    def _colleague_joins(self) -> None:
        company, colleague = self._cast.company, self._cast.colleague
        invited = {"email": colleague.email, "role": "COMPANY_ROLE_RECRUITER"}
        company.post("/api/v1/companies/me/invitations", **invited)
        colleague.register(password=JOURNEY_PASSWORD, name="Ines Duarte", by_invitation=True)
        colleague.verify()
        colleague.join_company()

    def _password_is_reset(self) -> None:
        self._cast.colleague.replace_forgotten_password(f"{JOURNEY_PASSWORD} of winter")

    def _student_joins(self) -> None:
        self._cast.student.register(password=JOURNEY_PASSWORD, name="Sam Okafor")
        self._cast.student.verify()

    def _student_fills_in_profile(self) -> None:
        profile = {
            "headline": "Second-year student who likes distributed systems",
            "location": {"city": "Berlin", "country": "DE"},
            "skills": [{"name": "Python", "level": "SKILL_LEVEL_ADVANCED"}, {"name": "gRPC"}],
            "education": [{"institution": "TU Berlin", "area": "Computer Science", "start": "2025-10"}],
            "visibility": "VISIBILITY_WHEN_I_APPLY",
        }
        self._cast.student.patch("/api/v1/users/me", name="Sam Okafor", student=profile)

    def _resume_is_read(self) -> None:
        student = self._cast.student
        self._resume = sample_resume("Sam Okafor", student.email)
        self.document_id = student.upload_resume("Resume.pdf", self._resume)
        path = f"/api/v1/documents/{self.document_id}/resume-draft"

        def draft() -> Json | None:
            found = student.get(path)
            return found if found["state"] == "RESUME_DRAFT_STATE_READY" else None

        version = wait_for_result(draft, "the résumé to be read")["version"]
        etag = student.get("/api/v1/users/me")["etag"]
        student.post(f"{path}:confirm", fields=["RESUME_DRAFT_FIELD_EXPERIENCE"], version=version, etag=etag)

    def _student_searches(self) -> None:
        query = {"q": f"distribted {self._cast.marker}", "skills": "Python", "city": "Berlin"}

        def hit() -> Json | None:
            found = self._cast.student.get("/api/v1/internships", **query)["data"]
            return next((each for each in found if each["id"] == self.internship["id"]), None)

        wait_for_result(hit, "the listing in the search results")

    def _student_applies(self) -> None:
        self._cast.student.get(f"/api/v1/internships/{self.internship['id']}")
        self.application = self._cast.student.post(
            "/api/v1/applications",
            internshipId=self.internship["id"],
            coverLetter="I would love to keep your messages from getting lost.",
            answers=[{"questionId": "start", "text": "In June"}],
            documentIds=[self.document_id],
        )

    def _company_reviews(self) -> None:
        company, application = self._cast.company, self.application["id"]
        company.await_inbox(application)
        path = f"/api/v1/internships/{self.internship['id']}/applications"

        def applicant() -> Json | None:
            rows = company.get(path)["data"]
            return next((row for row in rows if row["applicationId"] == application), None)

        wait_for_result(applicant, "the applicant in the listing's applicants")
        path = f"/api/v1/applications/{application}"
        self.application = company.get(path)
        link = company.get(f"{path}/documents/{self.document_id}:downloadUrl")
        assert company.download(link["url"]) == self._resume, "the company got another document"

    def _student_sees_the_looks(self) -> None:
        def looks() -> bool | None:
            entries = self._cast.student.get("/api/v1/users/me/profile-accesses")["data"]
            kinds = {each["kind"] for each in entries if each["applicationId"] == self.application["id"]}
            return {"PROFILE_ACCESS_KIND_APPLICATION", "PROFILE_ACCESS_KIND_DOCUMENT"} <= kinds or None

        wait_for_result(looks, "the company's looks in the student's access log")

    def _company_invites(self) -> None:
        self._move("APPLICATION_STATE_INTERVIEW", note="Strong on messaging")

    def _company_offers(self) -> None:
        self._move("APPLICATION_STATE_OFFERED")

    def _move(self, to: str, **more: Any) -> None:
        path = f"/api/v1/applications/{self.application['id']}:move"
        self.application = self._cast.company.post(path, to=to, etag=self.application["etag"], **more)

    def _student_accepts(self) -> None:
        student = self._cast.student
        self.application = student.post(f"/api/v1/applications/{self.application['id']}:accept")
        self.internship = student.get(f"/api/v1/internships/{self.internship['id']}")

    def _everyone_was_told(self) -> None:
        application = self.application["id"]
        self._cast.student.await_inbox(application, count=5)
        self._cast.company.await_inbox(application, count=2)
        for person, least in ((self._cast.student, 6), (self._cast.company, 4), (self._cast.colleague, 4)):
            wait_for_result(
                lambda person=person, least=least: len(person.mails()) >= least or None,  # type: ignore[misc]
                f"{least} mails to {person.email}",
            )

    def _figures_agree(self) -> None:
        path = f"/api/v1/analytics/internships/{self.internship['id']}/funnel"

        def hired() -> Json | None:
            try:
                funnel = self._cast.company.get(path)
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return None  # no event of the listing has reached the figures yet
            reached = {stage["stage"]: stage["reached"] for stage in funnel["stages"]}
            return funnel if reached.get("HIRED") == 1 and funnel["views"] else None

        self.funnel = wait_for_result(hired, "the hire in the funnel")
        self._cast.company.get("/api/v1/analytics/companies/me/overview")

    def _student_takes_his_data(self) -> None:
        student = self._cast.student
        path = f"/api/v1/data-exports/{student.post('/api/v1/data-exports')['id']}"

        def ready() -> Json | None:
            export = student.get(path)
            return export if export["state"] == "DATA_EXPORT_STATE_READY" else None

        wait_for_result(ready, "the copy of Sam's data")
        student.get(f"{path}:downloadUrl")


def sample_listing(marker: str) -> Json:
    """Return a listing that can be published; the marker is in its title."""
    return {
        "title": f"Distributed Systems Intern {marker}",
        "description": "Build the part that loses no message, and the tests that prove it.",
        "responsibilities": ["Own one queue from end to end"],
        "qualifications": ["You have broken something on purpose and learned from it"],
        "locations": [{"city": "Berlin", "region": "Berlin", "country": "DE", "lat": 52.52, "lng": 13.405}],
        "workMode": "WORK_MODE_HYBRID",
        "employment": "EMPLOYMENT_FULL_TIME",
        "compensation": {
            "paid": True,
            "minMinor": 180_000,
            "maxMinor": 220_000,
            "currency": "EUR",
            "unit": "PAY_UNIT_MONTH",
        },
        "skills": [{"name": "Python", "required": True}, {"name": "MongoDB"}],
        "field": "Software Engineering",
        "durationWeeks": 24,
        "hoursPerWeek": 40,
        "openings": 1,
        "applyDeadline": (datetime.now(UTC) + timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "questions": [
            {
                "id": "start",
                "kind": "QUESTION_KIND_TEXT",
                "text": "When can you start?",
                "required": True,
            }
        ],
        "respondWithinDays": 14,
    }
