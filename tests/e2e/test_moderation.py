"""A company that nobody knows, from its first listing to its verification, over HTTP and by `ic moderate`."""

import secrets
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from devstack.journey.client import ApiError, ApiUser, wait_for_result
from devstack.journey.main_journey import sample_listing
from ops.cli import app
from ops.moderation import ModerationClient
from tests.stack import StackHandle

NewPerson = Callable[..., ApiUser]


def refusal(person: ApiUser, method: str, path: str, **call: object) -> ApiError:
    with pytest.raises(ApiError) as refused:
        person.call(method, path, **call)  # type: ignore[arg-type]
    return refused.value


def ic(stack: StackHandle, *arguments: str) -> str:
    """Run an operator's command and return its output."""
    given = ["moderate", *arguments, "--stack", stack.topology.name]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_first_listing_that_asks_for_a_fee_waits_is_sent_back_and_goes_online_when_it_is_better(
    stack: StackHandle, new_person: NewPerson, visitor: ApiUser
) -> None:
    owner = new_person(company="Five Minutes Old", trusted=False)
    word = secrets.token_hex(4)
    draft = owner.post(
        "/api/v1/internships", **sample_listing(word) | {"description": "Pay a 99 USD fee to start."}
    )
    path = f"/api/v1/internships/{draft['id']}"
    waiting = owner.post(f"{path}:publish")
    assert waiting["state"] == "INTERNSHIP_STATE_PENDING_REVIEW"
    assert owner.get(path)["id"] == draft["id"]
    assert refusal(visitor, "GET", path).reason == "INTERNSHIP_NOT_FOUND"

    assert draft["id"] in ic(stack, "list", "--limit", "200")
    shown = ic(stack, "show", draft["id"])
    assert "fee asked" in shown
    ic(stack, "request-changes", draft["id"], "--reason", "Interns never pay.", "--as", "maria")
    owner.await_mail(lambda mail: "Interns never pay." in mail["text"])
    assert owner.get(path)["reviewNote"] == "Interns never pay."

    owner.patch(path, description="We pay you from the first day.")
    assert owner.post(f"{path}:publish")["state"] == "INTERNSHIP_STATE_PENDING_REVIEW"
    ic(stack, "approve", draft["id"], "--as", "maria")
    assert visitor.get(path)["state"] == "INTERNSHIP_STATE_OPEN"
    shown = ic(stack, "show", draft["id"])
    assert "MODERATOR maria PENDING_REVIEW → CHANGES_REQUESTED: Interns never pay." in shown

    second = owner.post("/api/v1/internships", **sample_listing(word))
    published = owner.post(f"/api/v1/internships/{second['id']}:publish")
    assert published["state"] == "INTERNSHIP_STATE_OPEN"


def test_only_members_of_verified_companies_search_students(
    stack: StackHandle, new_person: NewPerson
) -> None:
    owner = new_person(company="Curious", trusted=False)
    refused = refusal(owner, "GET", "/api/v1/students/search")
    assert (refused.status, refused.reason) == (403, "COMPANY_NOT_VERIFIED")
    assert "verify" in refused.body["message"]
    company = owner.user["companyId"]
    wait_for_result(lambda: owner.get("/api/v1/companies/me")["name"] or None, "the company's page")
    ic(stack, "companies", "verify", company)
    assert "data" in owner.get("/api/v1/students/search")
    owner.await_mail(lambda mail: "is verified" in mail["subject"])
    ic(stack, "companies", "suspend", company, "--reason", "Complaints.")
    assert refusal(owner, "GET", "/api/v1/students/search").reason == "COMPANY_SUSPENDED"
    assert company in ic(stack, "companies", "list", "--state", "suspended", "--limit", "200")


def test_a_suspended_companys_listings_are_offline_within_a_moment(
    stack: StackHandle, new_person: NewPerson, visitor: ApiUser
) -> None:
    owner = new_person(company="Troubled")
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    moderators = ModerationClient(stack.cluster, "maria")
    moderators.set_company_state(owner.user["companyId"], "SUSPENDED", "Complaints.")
    path = f"/api/v1/internships/{draft['id']}"
    wait_for_result(
        lambda: owner.get(path)["state"] == "INTERNSHIP_STATE_SUSPENDED" or None,
        "the listing to be suspended",
    )
    assert refusal(visitor, "GET", path).reason == "INTERNSHIP_NOT_FOUND"
    assert (
        refusal(owner, "POST", "/api/v1/internships", body=sample_listing("x")).reason == "COMPANY_SUSPENDED"
    )


def test_a_draft_is_deleted_and_a_public_listing_is_archived(owner: ApiUser) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    path = f"/api/v1/internships/{draft['id']}"
    assert owner.call("DELETE", path, parameters={"etag": draft["etag"]}) == {}
    assert refusal(owner, "GET", path).reason == "INTERNSHIP_NOT_FOUND"
    assert refusal(owner, "DELETE", path).status == 404

    other = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    path = f"/api/v1/internships/{other['id']}"
    owner.post(f"{path}:publish")
    assert refusal(owner, "DELETE", path).reason == "ILLEGAL_TRANSITION"
    assert refusal(owner, "POST", f"{path}:archive", body={}).reason == "ILLEGAL_TRANSITION"
    owner.post(f"{path}:close")
    assert owner.post(f"{path}:archive")["state"] == "INTERNSHIP_STATE_ARCHIVED"
