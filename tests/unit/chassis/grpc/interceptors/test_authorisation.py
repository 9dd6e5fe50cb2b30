from dataclasses import replace

import pytest

from chassis.call_context import CallContext, Principal
from chassis.contracts import RpcSpec, find_rpc, imported_contracts
from chassis.errors import DomainError
from chassis.grpc.interceptors.authorisation import AuthorisationInterceptor
from internshipconnect.options.v1 import options_pb2
from services.auth.domain.api_keys import ApiKeyScope
from tests.fakes.interceptor_calls import respond_with, rpc, send_call

PUBLISH = rpc("internship", "PublishInternship")
TAKE_OPENING = rpc("internship", "TakeOpening")
GET_ME = rpc("user", "GetMe")
MY_INTERNSHIPS = rpc("internship", "ListMyInternships")


def auth_rpc(service: str, method: str) -> RpcSpec:
    found = find_rpc(f"/internshipconnect.auth.v1.{service}/{method}")
    assert found is not None
    return found


SET_PLAN = auth_rpc("AdministrationService", "SetPlan")
FACTORS = auth_rpc("SecondFactorService", "GetSecondFactors")
STUDENT = Principal(id="usr_1", kind="STUDENT", email_verified=True)
OWNER = Principal(id="usr_2", kind="COMPANY", role="OWNER", email_verified=True)
VIEWER = Principal(id="usr_3", kind="COMPANY", role="VIEWER", email_verified=True)
UNVERIFIED_OWNER = Principal(id="usr_4", kind="COMPANY", role="OWNER")
MFA = ("pwd", "otp", "mfa")
ADMIN = Principal(id="usr_5", kind="ADMIN", email_verified=True, amr=MFA)
ADMIN_BY_PASSWORD = Principal(id="usr_5", kind="ADMIN", email_verified=True, amr=("pwd",))
MODERATOR_BY_PASSWORD = Principal(id="usr_6", kind="MODERATOR", email_verified=True, amr=("pwd",))
STUDENT_WITH_APP = Principal(id="usr_1", kind="STUDENT", email_verified=True, amr=MFA)
SERVICE = Principal(id="application", kind="SERVICE")
SCOPES = ("LISTINGS_READ", "LISTINGS_WRITE", "APPLICATIONS_READ")
KEY = Principal(id="key_1", kind="COMPANY", role="RECRUITER", org="cmp_1", email_verified=True, scopes=SCOPES)


async def outcome(spec: RpcSpec, principal: Principal | None) -> str:
    try:
        await send_call(
            AuthorisationInterceptor(), spec, respond_with(), call=CallContext(principal=principal)
        )
    except DomainError as error:
        return error.reason
    return "OK"


@pytest.mark.parametrize(
    ("spec", "principal", "expected"),
    [
        (PUBLISH, None, "TOKEN_MISSING"),
        (PUBLISH, STUDENT, "PERMISSION_DENIED"),
        (PUBLISH, VIEWER, "PERMISSION_DENIED"),
        (PUBLISH, ADMIN, "PERMISSION_DENIED"),
        (PUBLISH, SERVICE, "PERMISSION_DENIED"),
        (PUBLISH, UNVERIFIED_OWNER, "EMAIL_NOT_VERIFIED"),
        (PUBLISH, OWNER, "OK"),
        (MY_INTERNSHIPS, VIEWER, "OK"),
        (MY_INTERNSHIPS, UNVERIFIED_OWNER, "OK"),
        (GET_ME, STUDENT, "OK"),
        (GET_ME, ADMIN, "OK"),
        (GET_ME, ADMIN_BY_PASSWORD, "SECOND_FACTOR_MISSING"),
        (GET_ME, MODERATOR_BY_PASSWORD, "SECOND_FACTOR_MISSING"),
        (GET_ME, SERVICE, "PERMISSION_DENIED"),
        (FACTORS, ADMIN_BY_PASSWORD, "OK"),
        (FACTORS, MODERATOR_BY_PASSWORD, "OK"),
        (FACTORS, STUDENT, "OK"),
        (SET_PLAN, ADMIN, "OK"),
        (SET_PLAN, ADMIN_BY_PASSWORD, "SECOND_FACTOR_MISSING"),
        (SET_PLAN, MODERATOR_BY_PASSWORD, "PERMISSION_DENIED"),
        (SET_PLAN, STUDENT_WITH_APP, "PERMISSION_DENIED"),
        (SET_PLAN, None, "TOKEN_MISSING"),
        (GET_ME, None, "TOKEN_MISSING"),
        (TAKE_OPENING, SERVICE, "OK"),
        (TAKE_OPENING, OWNER, "PERMISSION_DENIED"),
        (TAKE_OPENING, ADMIN, "PERMISSION_DENIED"),
    ],
)
async def test_the_contract_decides_who_may_call(
    spec: RpcSpec, principal: Principal | None, expected: str
) -> None:
    assert await outcome(spec, principal) == expected


async def test_staff_without_a_second_factor_can_only_turn_one_on_and_leave() -> None:
    outcomes = {
        spec.name: await outcome(spec, MODERATOR_BY_PASSWORD)
        for spec in imported_contracts().rpcs
        if "SIGNED_IN" in spec.callers and not spec.policy.recent_auth_s
    }
    open_to_them = {name for name, answer in outcomes.items() if answer == "OK"}
    assert open_to_them == {"GetSecondFactors", "Reauthenticate", "ReauthenticateWithPasskey", "Logout"}
    assert len(outcomes) > 2 * len(open_to_them)


def test_calls_for_staff_want_a_second_factor_of_every_caller() -> None:
    staff_calls = [
        spec for spec in imported_contracts().rpcs if spec.callers and spec.callers <= {"ADMIN", "MODERATOR"}
    ]
    assert staff_calls
    for spec in staff_calls:
        assert spec.policy.second_factor == options_pb2.SECOND_FACTOR_NEED_EVERYBODY, spec.full_name


async def test_anybody_signs_in_but_an_api_key() -> None:
    for caller in (None, STUDENT, ADMIN_BY_PASSWORD, SERVICE):
        assert await outcome(rpc("auth", "Login"), caller) == "OK"
    assert await outcome(rpc("auth", "Login"), KEY) == "API_KEY_SCOPE_MISSING"


async def test_an_api_key_calls_what_its_scopes_open_and_nothing_else() -> None:
    for spec in imported_contracts().rpcs:
        is_open = spec.api_key_scope in SCOPES
        assert (await outcome(spec, KEY) == "OK") is is_open, spec.full_name
    assert await outcome(PUBLISH, replace(KEY, scopes=("LISTINGS_READ",))) == "API_KEY_SCOPE_MISSING"
    assert await outcome(MY_INTERNSHIPS, replace(KEY, scopes=())) == "API_KEY_SCOPE_MISSING"


def test_what_an_api_key_may_call_wants_no_proof_that_only_a_person_has() -> None:
    scoped = [spec for spec in imported_contracts().rpcs if spec.api_key_scope]
    assert {spec.api_key_scope for spec in scoped} == {scope.value for scope in ApiKeyScope}
    for spec in scoped:
        policy = spec.policy
        assert policy.second_factor == options_pb2.SECOND_FACTOR_NEED_UNSPECIFIED, spec.full_name
        assert not policy.recent_auth_s and not policy.ticket, spec.full_name
        assert spec.callers & {"PUBLIC", "COMPANY", "COMPANY_RECRUITER"}, spec.full_name


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (None, "OK"),
        (STUDENT, "OK"),
        (SERVICE, "OK"),
        (ADMIN, "OK"),
        (ADMIN_BY_PASSWORD, "SECOND_FACTOR_MISSING"),
        (MODERATOR_BY_PASSWORD, "SECOND_FACTOR_MISSING"),
    ],
)
async def test_staff_by_password_alone_sees_nothing_by_a_public_call_either(
    principal: Principal | None, expected: str
) -> None:
    assert await outcome(rpc("internship", "GetInternship"), principal) == expected
