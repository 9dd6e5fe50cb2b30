"""A résumé becomes a profile and goes with an application; its owner sees who read it; over HTTP."""

from functools import partial
from typing import Any, Final

import httpx
import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import sample_listing
from services.user.domain.resumes import ResumeMediaType
from tests.e2e.conftest import NewPerson
from tests.stack import StackHandle
from tests.unit.user.files import EICAR, TEXT, pdf
from verify.resumes.sample_set import SampleResume, generate_resumes

ME: Final = "/api/v1/users/me"
TIMEOUT_S: Final = 30.0


def sample_resume(name: str = "classic") -> SampleResume:
    return next(each for each in generate_resumes() if each.style.name == name)


def uploaded(stack: StackHandle, student: ApiUser, content: bytes, kind: str = "RESUME") -> str:
    """Return the ID of a document that has been checked, whatever came of it."""
    begun = student.post("/api/v1/documents", kind=f"DOCUMENT_KIND_{kind}", name="Resume 2027.pdf")
    token = {"authorization": f"Bearer {student.access_token}"}
    sent = httpx.put(
        begun["uploadUrl"], content=content, headers=token, timeout=TIMEOUT_S, verify=stack.trust
    )
    assert sent.status_code == 200, sent.text
    document_id = str(begun["document"]["id"])
    unchecked = {"DOCUMENT_STATE_UPLOADING", "DOCUMENT_STATE_SCANNING"}

    def checked() -> Json | None:
        found = student.get(f"/api/v1/documents/{document_id}")
        return None if found["state"] in unchecked else found

    return str(wait_for_result(checked, "the document to be checked")["id"])


def settled_draft(student: ApiUser, document_id: str) -> Json:
    def found() -> Json | None:
        draft = student.get(f"/api/v1/documents/{document_id}/resume-draft")
        return None if draft["state"] == "RESUME_DRAFT_STATE_PENDING" else draft

    return wait_for_result(found, "the résumé to be read")


def open_listing(owner: ApiUser, marker: str, **fields: Any) -> str:
    listing = owner.post("/api/v1/internships", **(sample_listing(marker) | {"questions": []} | fields))
    owner.post(f"/api/v1/internships/{listing['id']}:publish")
    return str(listing["id"])


def refusal(call: Any, *arguments: Any, **fields: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        call(*arguments, **fields)
    return refused.value.status, refused.value.reason


def accesses(student: ApiUser, kind: str) -> Json | None:
    found = student.get(f"{ME}/profile-accesses")["data"]
    return next((each for each in found if each["kind"] == f"PROFILE_ACCESS_KIND_{kind}"), None)


def test_a_resume_fills_the_profile_goes_with_an_application_and_shows_who_read_it(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student, owner, sample = new_person(), new_person(company="Harbour Works"), sample_resume()
    assert sample.style.media_type is ResumeMediaType.PDF
    document_id = uploaded(stack, student, sample.content)
    draft = settled_draft(student, document_id)
    assert (draft["state"], draft["name"]) == ("RESUME_DRAFT_STATE_READY", sample.truth.name)
    assert {each["path"] for each in draft["confidences"]} >= {"name", "student.education[0]"}
    assert student.get(ME)["student"]["education"] == []

    path = f"/api/v1/documents/{document_id}/resume-draft"
    etag = wait_for_result(lambda: student.get(ME)["etag"], "the profile")
    fields = ["RESUME_DRAFT_FIELD_EDUCATION", "RESUME_DRAFT_FIELD_SKILLS"]
    me = student.post(f"{path}:confirm", fields=fields, etag=etag, version=1)
    assert me["student"]["education"][0]["institution"] == sample.truth.education[0].institution
    assert (me["name"], me["student"]["visibility"]) == ("Robin Doe", "VISIBILITY_WHEN_I_APPLY")
    assert student.post(f"{path}:confirm", fields=fields, etag=etag) == me
    assert student.get(path)["state"] == "RESUME_DRAFT_STATE_CONFIRMED"

    internship_id = open_listing(owner, "records")
    application = student.post("/api/v1/applications", internshipId=internship_id, documentIds=[document_id])
    [sent] = application["documents"]
    assert (sent["documentId"], sent["version"], sent["name"]) == (document_id, 1, "Resume 2027.pdf")
    student.call("DELETE", f"/api/v1/documents/{document_id}")
    assert student.get("/api/v1/documents")["data"] == []

    where = f"/api/v1/applications/{application['id']}"
    opened = owner.get(where)
    assert [each["documentId"] for each in opened["documents"]] == [document_id]
    link = owner.get(f"{where}/documents/{document_id}:downloadUrl")
    answer = httpx.get(link["url"], verify=stack.trust, timeout=TIMEOUT_S)
    assert (answer.content, answer.headers["content-type"]) == (sample.content, "application/pdf")
    assert "Resume 2027.pdf" in answer.headers["content-disposition"]

    for kind in ("APPLICATION", "DOCUMENT"):
        entry = wait_for_result(partial(accesses, student, kind), f"the look at the {kind}")
        assert (entry["companyName"], entry["applicationId"]) == ("Harbour Works", application["id"])
        assert (entry["count"], entry["roles"]) == (1, ["COMPANY_ROLE_OWNER"])
        assert entry["firstTime"] and owner.user["id"] not in str(entry)


def test_a_sent_document_is_for_its_student_and_the_listings_company(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student, owner, other = new_person(), new_person(company="Quay Works"), new_person(company="Pier Works")
    sent, kept = uploaded(stack, student, pdf(b"sent")), uploaded(stack, student, pdf(b"kept"))
    form = {"internshipId": open_listing(owner, "rights"), "documentIds": [sent]}
    application = student.post("/api/v1/applications", **form)
    where = f"/api/v1/applications/{application['id']}/documents"
    for outsider in (other, new_person()):
        assert refusal(outsider.get, f"{where}/{sent}:downloadUrl") == (404, "APPLICATION_NOT_FOUND")
    assert refusal(owner.get, f"{where}/{kept}:downloadUrl") == (404, "DOCUMENT_NOT_FOUND")
    assert refusal(owner.get, f"/api/v1/documents/{sent}:downloadUrl") == (403, "PERMISSION_DENIED")
    assert student.get(f"{where}/{sent}:downloadUrl")["version"] == 1
    assert accesses(student, "DOCUMENT") is None


def test_documents_that_cannot_be_sent_stop_the_application(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student, internship_id = new_person(), open_listing(new_person(company="Lock Works"), "refused")
    own, harmful = uploaded(stack, student, pdf(b"own")), uploaded(stack, student, pdf(EICAR))
    others = uploaded(stack, new_person(), pdf(b"other"))
    waiting = student.post("/api/v1/documents", kind="DOCUMENT_KIND_OTHER", name="x.pdf")["document"]["id"]
    for document_ids, expected in (
        ([own, others], (404, "DOCUMENT_NOT_FOUND")),
        ([own, harmful], (400, "DOCUMENT_NOT_READY")),
        ([own, waiting], (400, "DOCUMENT_NOT_READY")),
        ([own, own], (400, "INVALID_FIELD")),
        ([own] * 11, (400, "INVALID_FIELD")),
        (["usr_1"], (400, "INVALID_FIELD")),
    ):
        form = {"internshipId": internship_id, "documentIds": document_ids}
        assert refusal(student.post, "/api/v1/applications", **form) == expected, document_ids
    assert student.get("/api/v1/applications")["data"] == []


def test_a_resume_that_cannot_be_read_says_why_and_what_to_do(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student = new_person()
    draft = settled_draft(student, uploaded(stack, student, TEXT))
    assert (draft["state"], draft["failure"]) == (
        "RESUME_DRAFT_STATE_FAILED",
        "RESUME_DRAFT_FAILURE_UNSUPPORTED",
    )
    assert "PDF" in draft["problem"]
    path = f"/api/v1/documents/{draft['documentId']}/resume-draft"
    assert refusal(student.post, f"{path}:confirm") == (400, "RESUME_DRAFT_NOT_READY")
    letter = uploaded(stack, student, pdf(b"letter"), kind="COVER_LETTER")
    assert refusal(student.get, f"/api/v1/documents/{letter}/resume-draft") == (404, "RESUME_DRAFT_NOT_FOUND")
    assert refusal(new_person().get, path) == (404, "DOCUMENT_NOT_FOUND")
    assert refusal(student.post, f"{path}:confirm", fields=["RESUME_DRAFT_FIELD_CAT"])[0] == 400


def test_a_discarded_draft_is_gone_and_its_document_stays(stack: StackHandle, new_person: NewPerson) -> None:
    student = new_person()
    document_id = uploaded(stack, student, sample_resume().content)
    assert settled_draft(student, document_id)["state"] == "RESUME_DRAFT_STATE_READY"
    path = f"/api/v1/documents/{document_id}/resume-draft"
    discarded = student.post(f"{path}:discard")
    assert (discarded["state"], discarded["name"]) == ("RESUME_DRAFT_STATE_DISCARDED", "")
    assert student.get(path) == discarded
    assert student.get(f"/api/v1/documents/{document_id}")["state"] == "DOCUMENT_STATE_READY"


def test_a_listing_that_is_reviewed_blind_shows_who_applied_with_the_interview(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student, owner = new_person(), new_person(company="Mole Works")
    education = [{"institution": "Example University", "area": "Physics"}]
    wait_for_result(lambda: student.get(ME)["etag"], "the profile")
    student.patch(ME, student={"summary": "Robin likes maps.", "education": education})
    document_id = uploaded(stack, student, pdf(b"blind"))
    internship_id = open_listing(owner, "blind", blindReview=True)
    assert owner.get(f"/api/v1/internships/{internship_id}")["blindReview"] is True
    letter = "Robin here: I like maps."
    form = {"internshipId": internship_id, "coverLetter": letter, "documentIds": [document_id]}
    where = f"/api/v1/applications/{student.post('/api/v1/applications', **form)['id']}"

    hidden = owner.get(where)
    assert (hidden["studentHidden"], hidden["studentId"], hidden["documents"]) == (True, "", [])
    assert hidden["coverLetter"] == "… here: I like maps."
    [study] = hidden["applicant"]["profile"]["education"]
    assert (study["institution"], study["area"]) == ("", "Physics")
    for secret in ("Robin", "Example University", student.email, student.user["id"], document_id):
        assert secret not in str(hidden)
    link = f"{where}/documents/{document_id}:downloadUrl"
    assert refusal(owner.get, link) == (400, "DOCUMENT_WITHHELD")

    for state in ("SHORTLISTED", "INTERVIEW"):
        shown = owner.post(f"{where}:move", to=f"APPLICATION_STATE_{state}", etag=owner.get(where)["etag"])
    assert (shown["studentHidden"], shown["applicant"]["name"]) == (False, "Robin Doe")
    assert shown["coverLetter"] == letter
    assert [each["documentId"] for each in shown["documents"]] == [document_id]
    assert owner.get(link)["version"] == 1
