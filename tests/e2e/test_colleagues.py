"""Companies' people over HTTP: invitation, membership, removal and the proof of a domain."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from devstack.journey.client import INVITATION_PATTERN, ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from tests.stack import StackHandle

NewPerson = Callable[..., ApiUser]
COMPANIES = "/api/v1/companies/me"


@dataclass
class Acme:
    """A company of its own domain, with its owner."""

    stack: StackHandle
    domain: str
    owner: ApiUser

    def person(self, name: str) -> ApiUser:
        """Return somebody with an address at the company's domain, who has no account yet."""
        return ApiUser(self.stack.gateway_url, self.stack.mailbox_url, f"{name}@{self.domain}")

    def invite(self, person: ApiUser, role: str = "RECRUITER") -> Json:
        """Invite somebody."""
        return self.owner.post(f"{COMPANIES}/invitations", email=person.email, role=f"COMPANY_ROLE_{role}")

    def joined(self, name: str, role: str = "RECRUITER") -> ApiUser:
        """Return a colleague who has accepted an invitation."""
        person = self.person(name)
        self.invite(person, role)
        person.register(password=JOURNEY_PASSWORD, name=name.title(), by_invitation=True)
        person.verify()
        person.join_company()
        return person


@pytest.fixture
def acme(stack: StackHandle) -> Acme:
    domain = f"acme-{secrets.token_hex(4)}.test"
    owner = ApiUser(stack.gateway_url, stack.mailbox_url, f"owner@{domain}")
    owner.register(password=JOURNEY_PASSWORD, name="Robin Doe", company=f"Acme {domain[5:9]}")
    owner.verify()
    wait_for_result(lambda: owner.get(COMPANIES)["name"] or None, "the company's page")
    return Acme(stack, domain, owner)


def refusal(person: ApiUser, method: str, path: str, **call: object) -> ApiError:
    with pytest.raises(ApiError) as refused:
        person.call(method, path, **call)  # type: ignore[arg-type]
    return refused.value


def link_of(person: ApiUser) -> str:
    mail = person.await_mail(lambda mail: INVITATION_PATTERN.search(mail["text"]) is not None)
    found = re.search(r"http\S+/app/invitation\S+", mail["text"])
    assert found is not None
    return found.group()


def test_an_invited_colleague_joins_works_is_removed_and_sees_nothing_any_more(
    stack: StackHandle, acme: Acme
) -> None:
    grace = acme.person("grace")
    invitation = acme.invite(grace)
    link = link_of(grace)
    with httpx.Client(trust_env=False, verify=stack.trust) as scanner:
        for _ in range(3):
            assert scanner.get(link).status_code == 200
    secret = link.partition("#")[2]
    offer = grace.post("/api/v1/invitations:lookup", invitationToken=secret)
    assert (offer["inviterName"], offer["email"]) == ("Robin Doe", grace.email)
    assert offer["state"] == "INVITATION_STATE_SENT"

    grace.register(password=JOURNEY_PASSWORD, name="Grace", by_invitation=True)
    grace.verify()
    assert grace.user["companyId"] == ""
    assert refusal(grace, "POST", "/api/v1/internships", body=sample_listing("x")).status == 403
    grace.join_company()
    assert (grace.user["companyId"], grace.user["role"]) == (
        acme.owner.user["companyId"],
        "COMPANY_ROLE_RECRUITER",
    )
    draft = grace.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    assert acme.owner.get(f"/api/v1/internships/{draft['id']}")["id"] == draft["id"]
    assert refusal(grace, "POST", f"{COMPANIES}/invitations", body={}).status == 403
    members = acme.owner.get(f"{COMPANIES}/members")["data"]
    assert [member["role"] for member in members] == ["COMPANY_ROLE_OWNER", "COMPANY_ROLE_RECRUITER"]
    acme.owner.await_mail(lambda mail: mail["subject"].startswith("Grace has joined"))
    [listed] = acme.owner.get(f"{COMPANIES}/invitations")["data"]
    assert (listed["id"], listed["state"]) == (invitation["id"], "INVITATION_STATE_ACCEPTED")

    acme.owner.call("DELETE", f"{COMPANIES}/members/{grace.user['id']}")
    wait_for_result(lambda: is_signed_out(grace) or None, "the removed member to be signed out")
    grace.access_token = ""
    refused = refusal(grace, "POST", "/api/v1/auth/refresh", body={"refreshToken": grace.refresh_token})
    assert refused.reason == "INVALID_REFRESH_TOKEN"
    grace.await_mail(lambda mail: mail["subject"].startswith("You are no longer a member"))
    grace.log_in(JOURNEY_PASSWORD)
    assert grace.user["companyId"] == ""
    assert refusal(grace, "GET", f"/api/v1/internships/{draft['id']}").reason == "INTERNSHIP_NOT_FOUND"
    assert refusal(grace, "GET", f"{COMPANIES}/members").reason == "COMPANY_NOT_FOUND"


def is_signed_out(person: ApiUser) -> bool:
    try:
        person.get(f"{COMPANIES}/members")
    except ApiError as error:
        return error.status == 401
    return False


def test_the_ownership_is_handed_over_and_the_last_owner_stays(acme: Acme) -> None:
    assert refusal(acme.owner, "POST", f"{COMPANIES}:leave", body={}).reason == "LAST_OWNER"
    grace = acme.joined("grace")
    acme.owner.post(f"{COMPANIES}:transferOwnership", userId=grace.user["id"])
    grace.await_mail(lambda mail: "is now an owner of" in mail["subject"])
    acme.owner.await_mail(lambda mail: "is now an owner of" in mail["subject"])

    def is_owner() -> bool | None:
        grace.refresh()
        return grace.user["role"] == "COMPANY_ROLE_OWNER" or None

    wait_for_result(is_owner, "the new owner's tokens")
    # The former owner's token is good for some more minutes; the team is what counts.
    refused = refusal(acme.owner, "DELETE", f"{COMPANIES}/members/{grace.user['id']}")
    assert refused.status == 403
    grace.call("DELETE", f"{COMPANIES}/members/{acme.owner.user['id']}")
    [member] = grace.get(f"{COMPANIES}/members")["data"]
    assert member["userId"] == grace.user["id"]


def test_an_address_at_the_companys_domain_verifies_it_and_every_member_is_mailed(acme: Acme) -> None:
    grace = acme.joined("grace", "VIEWER")
    assert refusal(acme.owner, "GET", "/api/v1/students/search").reason == "COMPANY_NOT_VERIFIED"
    asked = acme.owner.post(f"{COMPANIES}/verification", method="VERIFICATION_METHOD_WORK_ADDRESS")
    assert (asked["state"], asked["domain"]) == ("COMPANY_STATE_PENDING", acme.domain)

    def is_verified() -> bool | None:
        checked = acme.owner.post(f"{COMPANIES}/verification:check")
        return checked["state"] == "COMPANY_STATE_VERIFIED" or None

    wait_for_result(is_verified, "the proof by the owner's address")
    assert "data" in acme.owner.get("/api/v1/students/search")
    for person in (acme.owner, grace):
        person.await_mail(lambda mail: "is verified" in mail["subject"])
    page = acme.owner.get(f"/api/v1/companies/{acme.owner.user['companyId']}")
    assert page["verifiedDomain"] == acme.domain


@pytest.mark.parametrize("domain", ["co.uk", "gmail.com", "localhost", "https://acme.com", ""])
def test_a_domain_that_proves_nothing_is_refused_by_its_field(acme: Acme, domain: str) -> None:
    method = "WORK_ADDRESS" if domain == "gmail.com" else "DNS"
    body = {"domain": domain, "method": f"VERIFICATION_METHOD_{method}"}
    refused = refusal(acme.owner, "POST", f"{COMPANIES}/verification", body=body)
    assert refused.status == 400
    assert "domain" in refused.violations


def test_a_student_cannot_join_and_another_address_cannot_either(acme: Acme, new_person: NewPerson) -> None:
    student = new_person()
    acme.invite(student)
    secret = link_of(student).partition("#")[2]
    body = {"invitationToken": secret}
    wait_for_result(lambda: "student" in student.get("/api/v1/users/me") or None, "the student's profile")
    assert (
        refusal(student, "POST", "/api/v1/invitations:accept", body=body).reason == "COMPANY_ACCOUNT_NEEDED"
    )
    other = new_person(company="Other", trusted=False)
    wait_for_result(lambda: other.get("/api/v1/users/me")["email"] or None, "the other's profile")
    refused = refusal(other, "POST", "/api/v1/invitations:accept", body=body)
    assert refused.reason == "INVITATION_FOR_ANOTHER_ADDRESS"
    assert student.post("/api/v1/invitations:decline", **body) == {}
    offer = student.post("/api/v1/invitations:lookup", **body)
    assert offer["state"] == "INVITATION_STATE_DECLINED"
