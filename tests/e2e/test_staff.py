"""Staff from `ic accounts create-staff` to its calls over HTTP, and the limits of plans at the gateway."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

import httpx
import pyotp
import pytest
from typer.testing import CliRunner

from chassis.ids import new_id
from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD
from ops.cli import app
from services.auth.domain.accounts import AccountPlan
from services.auth.domain.sign_in_policy import MAX_FAILURES
from tests.e2e.conftest import NewPerson
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

LIMITS: Final = {
    AccountPlan.FREE: {"PUBLIC_API": 100, "SEARCH": 10, "SUGGEST": 120, "UPLOAD": 5},
    AccountPlan.PREMIUM: {"PUBLIC_API": 1_000, "SEARCH": 100, "SUGGEST": 600, "UPLOAD": 50},
    AccountPlan.PRO: {"PUBLIC_API": 10_000, "SEARCH": 1_000, "SUGGEST": 6_000, "UPLOAD": 500},
    AccountPlan.ADMIN: {},
}
"""DOMAIN.md's table; a class without a figure is unlimited."""


def ic(stack: StackHandle, *arguments: str) -> str:
    """Run an operator's command and return its output."""
    result = CliRunner().invoke(app, [*arguments, "--stack", stack.topology.name])
    assert result.exit_code == 0, result.output
    return result.output


def refusal(person: ApiUser, method: str, path: str, **body: object) -> ApiError:
    with pytest.raises(ApiError) as refused:
        person.call(method, path, body=dict(body) if method == "POST" else None)
    return refused.value


def member_of_staff(stack: StackHandle, role: str) -> ApiUser:
    """Return somebody of staff who has chosen a password, and has no second factor yet."""
    email = f"{role}.{secrets.token_hex(6)}@example.com"
    printed = ic(stack, "accounts", "create-staff", email, "--role", role, "--print-code", "--as", "otto")
    code = printed.partition("the code is ")[2][:8]
    person = ApiUser(stack.gateway_url, stack.mailbox_url, email)
    person.post("/api/v1/auth/reset-password", email=email, code=code, newPassword=JOURNEY_PASSWORD)
    person.log_in(JOURNEY_PASSWORD)
    return person


def turn_app_on(person: ApiUser) -> pyotp.TOTP:
    path = "/api/v1/auth/second-factors/authenticator"
    made = pyotp.TOTP(person.post(f"{path}:begin")["secret"])
    person.access_token = person.post(f"{path}:confirm", code=made.now())["tokens"]["accessToken"]
    return made


@pytest.fixture(scope="module")
def admin(stack: StackHandle) -> ApiUser:
    person = member_of_staff(stack, "admin")
    turn_app_on(person)
    return person


def test_staff_can_do_nothing_but_turn_a_second_factor_on_until_it_has_one(stack: StackHandle) -> None:
    person = member_of_staff(stack, "moderator")
    for path in ("users/me", "auth/sessions", "notifications"):
        assert refusal(person, "GET", f"/api/v1/{path}").reason == "SECOND_FACTOR_MISSING"
    assert person.get("/api/v1/auth/second-factors")["authenticator"] is False
    turn_app_on(person)
    assert len(person.get("/api/v1/auth/sessions")["data"]) == 1
    nobody = f"/api/v1/admin/accounts/{new_id('usr')}"
    assert refusal(person, "GET", nobody).reason == "PERMISSION_DENIED"
    device = ApiUser(person.base_url, person.mailbox_url, person.email)
    fields: Json = {"email": person.email, "password": JOURNEY_PASSWORD}
    assert refusal(device, "POST", "/api/v1/auth/login", **fields).reason == "SECOND_FACTOR_REQUIRED"
    ic(stack, "accounts", "revoke-staff", person.email)
    wait_for_result(
        lambda: reason_now(person, "/api/v1/auth/sessions") == "SESSION_REVOKED" or None, "the end"
    )


def reason_now(person: ApiUser, path: str) -> str:
    try:
        person.get(path)
    except ApiError as error:
        return error.reason
    return ""


def test_an_administrator_finds_suspends_and_restores_an_account(
    admin: ApiUser, new_person: NewPerson
) -> None:
    student = new_person()
    found = admin.post("/api/v1/admin/accounts:find", email=student.email.upper())
    assert (found["userId"], found["plan"]) == (student.user["id"], "PLAN_FREE")
    path = f"/api/v1/admin/accounts/{found['userId']}"
    assert admin.get(path)["state"] == "ACCOUNT_STATE_ACTIVE"
    assert admin.post(f"{path}:suspend", reason="Spam.")["state"] == "ACCOUNT_STATE_SUSPENDED"
    wait_for_result(lambda: reason_now(student, "/api/v1/users/me") == "SESSION_REVOKED" or None, "the end")
    student.access_token = ""
    fields: Json = {"email": student.email, "password": JOURNEY_PASSWORD}
    assert refusal(student, "POST", "/api/v1/auth/login", **fields).reason == "ACCOUNT_LOCKED"
    admin.post(f"{path}:restore", reason="It was somebody else.")
    student.log_in(JOURNEY_PASSWORD)
    wrong: dict[str, Json] = {
        f"{path}:setPlan": {"plan": "PLAN_PRO"},
        f"{path}:suspend": {"reason": "Mine."},
        "/api/v1/admin/accounts:find": {"email": student.email},
    }
    for action, body in wrong.items():
        assert refusal(student, "POST", action, **body).reason == "PERMISSION_DENIED"
    assert refusal(student, "GET", path).reason == "PERMISSION_DENIED"


def test_a_members_plan_comes_and_goes_with_that_of_the_company(
    stack: StackHandle, admin: ApiUser, new_person: NewPerson
) -> None:
    owner = new_person(company="Harbour Works")
    company = f"/api/v1/admin/companies/{owner.user['companyId']}"

    def is_given() -> bool | None:
        try:
            return admin.post(f"{company}:setPlan", plan="PLAN_PREMIUM")["members"] == 1 or None
        except ApiError as error:  # the registration is on its way
            assert error.reason == "COMPANY_NOT_FOUND"
            return None

    wait_for_result(is_given, "the company to be known")
    owner.refresh()
    assert owner.user["plan"] == "PLAN_PREMIUM"
    ic(stack, "accounts", "set-plan", owner.user["companyId"], "free")
    wait_for_result(lambda: reason_now(owner, "/api/v1/users/me") == "SESSION_REVOKED" or None, "the end")


def limits_of(stack: StackHandle, person: ApiUser, expected: Mapping[str, int]) -> dict[str, int]:
    """Return the limit that an answer of each class names, without those that name none.

    The first answers to a caller may come before the gateway knows the caller's limits from the
    limiter: those of the expected classes are asked for again.
    """
    word = secrets.token_hex(6)
    calls: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "PUBLIC_API": lambda http: http.get("/api/v1/auth/sessions"),
        "SEARCH": lambda http: http.get("/api/v1/internships", params={"q": word}),
        "SUGGEST": lambda http: http.get("/api/v1/internships:suggest", params={"q": word}),
        "UPLOAD": lambda http: http.put(
            f"/api/v1/documents/{new_id('doc')}/content", params={"ticket": "bm90IG91cnM"}, content=b"x"
        ),
    }
    headers = {"authorization": f"Bearer {person.access_token}", "x-forwarded-for": person.address}
    with httpx.Client(
        base_url=stack.gateway_url, headers=headers, verify=stack.trust, trust_env=False, timeout=30
    ) as http:
        answers = {name: _ask_until(name in expected, call, http) for name, call in calls.items()}
    return {
        name: int(answer.headers["x-ratelimit-limit"]) // stack.topology.limits_times
        for name, answer in answers.items()
        if "x-ratelimit-limit" in answer.headers
    }


def _ask_until(
    announced: bool, call: Callable[[httpx.Client], httpx.Response], http: httpx.Client
) -> httpx.Response:
    """Return an answer, and where a limit is expected to be `announced` one that names it, if one comes."""
    ends_at = time.monotonic() + WAIT_TIMEOUT_S
    while "x-ratelimit-limit" not in (answer := call(http)).headers and announced:
        if time.monotonic() > ends_at:
            break
        time.sleep(0.5)
    return answer


def failed_sign_ins(stack: StackHandle, person: ApiUser, **fields: object) -> int:
    """Return how many failed sign-ins a device that has signed in before may have."""
    headers = {"x-forwarded-for": person.address}
    with httpx.Client(
        base_url=stack.gateway_url, headers=headers, verify=stack.trust, trust_env=False, timeout=30
    ) as http:
        known = http.post(
            "/api/v1/auth/login", json={"email": person.email, "password": JOURNEY_PASSWORD, **fields}
        ).json()["data"]
        guess = {"email": person.email, "password": "not it at all", "deviceToken": known["deviceToken"]}
        answer = http.post("/api/v1/auth/login", json=guess)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    return int(answer.headers["x-ratelimit-limit"]) // stack.topology.limits_times


@pytest.mark.parametrize("plan", [AccountPlan.FREE, AccountPlan.PREMIUM, AccountPlan.PRO])
def test_a_real_account_with_a_plan_has_each_of_its_limits(
    stack: StackHandle, admin: ApiUser, new_person: NewPerson, plan: AccountPlan
) -> None:
    student = new_person()
    admin.post(f"/api/v1/admin/accounts/{student.user['id']}:setPlan", plan=f"PLAN_{plan}")
    student.refresh()
    assert student.user["plan"] == f"PLAN_{plan}"
    assert limits_of(stack, student, LIMITS[plan]) == LIMITS[plan]
    assert failed_sign_ins(stack, student) == MAX_FAILURES[plan]


def test_an_administrator_has_no_limits_but_that_of_failed_sign_ins(stack: StackHandle) -> None:
    person = member_of_staff(stack, "admin")
    assert failed_sign_ins(stack, person) == MAX_FAILURES[AccountPlan.ADMIN]
    turn_app_on(person)
    assert limits_of(stack, person, LIMITS[AccountPlan.ADMIN]) == LIMITS[AccountPlan.ADMIN]


def test_what_happened_to_an_account_is_read_by_its_owner_and_by_an_administrator(
    stack: StackHandle, admin: ApiUser, new_person: NewPerson
) -> None:
    student = new_person()
    path = f"/api/v1/admin/accounts/{student.user['id']}"
    admin.post(f"{path}:setPlan", plan="PLAN_PRO")
    own = student.get("/api/v1/auth/security-events")["data"]
    assert [event["verb"].removeprefix("SECURITY_VERB_") for event in own] == [
        "PLAN_CHANGED",
        "SIGNED_IN",
        "ADDRESS_VERIFIED",
    ]
    assert own[0]["performerKind"] == "PERFORMER_KIND_STAFF" and not own[0]["performerId"]
    assert (own[0]["before"], own[0]["after"]) == ("FREE", "PRO")
    assert own[1]["area"].rpartition(".")[0] == f"{student.address.rpartition('.')[0]}"
    seen = admin.get(f"{path}/security-events", pageSize=1)
    assert seen["data"][0]["performerId"] == admin.user["id"]
    further = admin.get(f"{path}/security-events", pageSize=1, pageToken=seen["nextPageToken"])
    assert further["data"][0]["number"] == 2
    refused = refusal(student, "GET", f"{path}/security-events")
    assert refused.reason == "PERMISSION_DENIED"
    assert "every chain holds" in ic(stack, "audit", "verify", "--user", student.email)
