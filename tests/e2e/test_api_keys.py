"""API keys over HTTP: a program of a company calls in place of a person."""

import re
from collections.abc import Callable

import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import sample_listing
from tests.stack import StackHandle

NewPerson = Callable[..., ApiUser]
KEYS = "/api/v1/companies/me/api-keys"
LISTINGS = ("API_KEY_SCOPE_LISTINGS_READ", "API_KEY_SCOPE_LISTINGS_WRITE")


def program_with(stack: StackHandle, secret: str) -> ApiUser:
    """Return a program that sends a key with each call."""
    program = ApiUser(stack.gateway_url, stack.mailbox_url, "program@example.com")
    program.access_token = secret
    return program


def refusal(program: ApiUser, method: str, path: str, **body: object) -> ApiError:
    with pytest.raises(ApiError) as refused:
        program.call(method, path, body=dict(body) if method == "POST" else None)
    return refused.value


def test_a_program_makes_listings_with_a_key_until_it_is_revoked(
    stack: StackHandle, new_person: NewPerson
) -> None:
    owner = new_person(company="Harbour Keys")
    made = owner.post(KEYS, name="Careers page", scopes=list(LISTINGS), lifeDays=30)
    key, secret = made["apiKey"], made["secret"]
    assert secret.startswith(f"{key['prefix']}_")
    program = program_with(stack, secret)
    draft = program.post("/api/v1/internships", **sample_listing("by a program"))
    assert program.get(f"/api/v1/internships/{draft['id']}")["company"]["id"] == draft["company"]["id"]
    [listed] = owner.get(KEYS)["data"]
    assert {name: listed[name] for name in ("id", "creatorId", "scopes")} == {
        "id": key["id"],
        "creatorId": key["creatorId"],
        "scopes": list(LISTINGS),
    }
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", listed["lastUseDay"])
    assert secret not in str(listed)
    owner.call("DELETE", f"{KEYS}/{key['id']}")

    def is_refused() -> bool:
        try:
            program.get("/api/v1/companies/me/internships")
        except ApiError as error:
            return (error.status, error.reason) in {(401, "API_KEY_INVALID"), (401, "SESSION_REVOKED")}
        return False

    wait_for_result(lambda: is_refused() or None, "the revoked key to be refused")


@pytest.fixture(scope="module")
def owner(new_person: NewPerson) -> ApiUser:
    """Return an owner who has signed in just now, as making a key wants."""
    return new_person(company="Quay Programs")


def test_a_key_does_what_its_scopes_say_and_never_what_is_for_people(
    stack: StackHandle, owner: ApiUser
) -> None:
    secret = owner.post(KEYS, name="Reader", scopes=["API_KEY_SCOPE_LISTINGS_READ"], lifeDays=1)["secret"]
    program = program_with(stack, secret)
    program.get("/api/v1/internships", q="python")
    for method, path in (
        ("POST", "/api/v1/internships"),
        ("GET", "/api/v1/users/me"),
        ("GET", KEYS),
        ("GET", "/api/v1/auth/sessions"),
    ):
        refused = refusal(program, method, path)
        assert (refused.status, refused.reason) == (403, "API_KEY_SCOPE_MISSING"), path


@pytest.mark.parametrize("text", ["ick_", "ick_nothing", f"ick_{'0' * 26}_{'A' * 43}", f"ick_{'0' * 4000}"])
def test_what_is_no_key_of_ours_is_refused_even_where_anybody_may_read(stack: StackHandle, text: str) -> None:
    program = program_with(stack, text)
    for path in ("/api/v1/internships?q=python", "/api/v1/users/me"):
        refused = refusal(program, "GET", path)
        assert (refused.status, refused.reason) == (401, "API_KEY_INVALID")


def test_only_owners_make_keys_and_each_rule_of_a_key_is_named(student: ApiUser, owner: ApiUser) -> None:
    assert refusal(student, "POST", KEYS, name="x", scopes=list(LISTINGS), lifeDays=1).status == 403
    assert set(refusal(owner, "POST", KEYS).violations) == {"name", "scopes", "lifeDays"}
    twice = {"scopes": LISTINGS[:1] * 2}
    wrongs: tuple[Json, ...] = ({"lifeDays": 367}, {"lifeDays": 0}, {"scopes": []}, twice, {"name": "a\nb"})
    for wrong in wrongs:
        fields = {"name": "x", "scopes": list(LISTINGS), "lifeDays": 1} | wrong
        assert set(refusal(owner, "POST", KEYS, **fields).violations) == set(wrong)
