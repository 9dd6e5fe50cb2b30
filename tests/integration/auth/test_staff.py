"""Staff accounts from their making to their end, and suspended accounts."""

import asyncio

import pyotp

from internshipconnect.common.v1.common_pb2 import ACCOUNT_KIND_ADMIN
from internshipconnect.events.v1.events_pb2 import PasswordResetRequested, UserRegistered
from services.auth.domain.accounts import AccountKind
from services.auth.domain.second_factors import STEP
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness
from tests.integration.auth.test_signing_in import claims_of, reason_of

EMAIL = "maria@example.test"
LAPTOP = Visitor(("192.0.2.1",), b"Firefox")
MFA = ["pwd", "otp", "mfa"]


async def a_member_of_staff(auth: AuthHarness, kind: AccountKind = AccountKind.ADMIN) -> SignInResult:
    invited = await auth.cases.staff.create(EMAIL, "Maria", kind)
    await auth.passwords.reset(EMAIL, invited.code, PASSWORD, LAPTOP)
    return await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)


async def with_app(auth: AuthHarness, person: SignInResult) -> tuple[SignInResult, pyotp.TOTP]:
    factors = auth.cases.manage_second_factors
    app = pyotp.TOTP((await factors.begin(person.account.id))[0])
    session_id = claims_of(person)["sid"]
    _, renewed = await factors.confirm(person.account.id, session_id, app.at(auth.clock.now()), LAPTOP)
    auth.clock.advance(STEP)
    return renewed, app


async def test_staff_chooses_a_password_by_a_code_and_proves_a_second_factor(auth: AuthHarness) -> None:
    person = await a_member_of_staff(auth)
    claims = claims_of(person)
    assert (claims["kind"], claims["plan"], claims["email_verified"]) == ("ADMIN", "FREE", True)
    assert claims["amr"] == ["pwd"]
    renewed, app = await with_app(auth, person)
    assert (claims_of(renewed)["amr"], claims_of(renewed)["plan"]) == (MFA, "ADMIN")
    assert await reason_of(auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)) == "SECOND_FACTOR_REQUIRED"
    code = app.at(auth.clock.now())
    again = await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP, second_factor=code)
    assert claims_of(again)["amr"] == MFA


async def test_the_code_goes_by_mail_or_to_the_operator_and_nowhere_else(auth: AuthHarness) -> None:
    by_mail = await auth.cases.staff.create(EMAIL, "Maria", AccountKind.ADMIN)
    [sent] = await read_outbox(auth.shards, PasswordResetRequested, by_mail.account.id)
    assert (sent.email, sent.code) == (EMAIL, by_mail.code)
    [registered] = await read_outbox(auth.shards, UserRegistered, by_mail.account.id)
    assert (registered.kind, registered.email_verified) == (ACCOUNT_KIND_ADMIN, True)
    printed = await auth.cases.staff.create("otto@example.test", "Otto", AccountKind.MODERATOR, by_mail=False)
    assert await read_outbox(auth.shards, PasswordResetRequested, printed.account.id) == []
    await auth.passwords.reset("otto@example.test", printed.code, PASSWORD, LAPTOP)


async def test_before_the_code_no_password_signs_in(auth: AuthHarness) -> None:
    await auth.cases.staff.create(EMAIL, "Maria", AccountKind.ADMIN)
    for guess in ("nobody's password", PASSWORD, "Maria"):
        assert await reason_of(auth.sign_in.login(EMAIL, guess, LAPTOP)) == "INVALID_CREDENTIALS"


async def test_neither_a_registration_nor_an_account_in_use_makes_staff(auth: AuthHarness) -> None:
    person = await auth.verified("ada@campus.test")
    for kind in (AccountKind.ADMIN, AccountKind.STUDENT):
        create = auth.cases.staff.create("ada@campus.test", "Ada", kind)
        assert await reason_of(create) == "INVALID_FIELD"
    assert claims_of(await auth.sign_in.refresh(person.refresh_token))["kind"] == "STUDENT"


async def test_a_registration_by_somebody_else_does_not_keep_staff_from_its_address(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL, "violet anchor prism 3", name="Eve")
    eve = await auth.sign_in.login(EMAIL, "violet anchor prism 3")
    person = await a_member_of_staff(auth)
    assert person.account.id == user_id
    assert claims_of(eve)["sid"] in auth.revocations.revoked
    assert await reason_of(auth.sign_in.refresh(eve.refresh_token)) == "INVALID_REFRESH_TOKEN"


async def test_turning_the_app_off_signs_staff_out_everywhere(auth: AuthHarness) -> None:
    person, _ = await with_app(auth, await a_member_of_staff(auth))
    await auth.cases.manage_second_factors.remove(person.account.id, tuple(MFA))
    assert claims_of(person)["sid"] in auth.revocations.revoked
    again = await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    assert claims_of(again)["amr"] == ["pwd"]


async def test_former_staff_is_signed_out_and_stays_out(auth: AuthHarness) -> None:
    person, _ = await with_app(auth, await a_member_of_staff(auth))
    await auth.cases.staff.revoke(EMAIL)
    assert claims_of(person)["sid"] in auth.revocations.revoked
    assert await reason_of(auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)) == "INVALID_CREDENTIALS"
    restore = auth.cases.administration.restore(person.account.id, "")
    assert await reason_of(restore) == "STAFF_ACCOUNT"
    again = await a_member_of_staff(auth, AccountKind.MODERATOR)
    assert (again.account.id, claims_of(again)["kind"]) == (person.account.id, "MODERATOR")


async def test_a_suspended_account_is_out_at_once_and_comes_back(auth: AuthHarness) -> None:
    person = await auth.verified("ada@campus.test")
    administration = auth.cases.administration
    await administration.suspend(person.account.id, "Listings that ask for money.")
    assert claims_of(person)["sid"] in auth.revocations.revoked
    assert await reason_of(auth.sign_in.login("ada@campus.test", PASSWORD)) == "ACCOUNT_LOCKED"
    assert await reason_of(auth.sign_in.refresh(person.refresh_token)) == "INVALID_REFRESH_TOKEN"
    restored = await administration.restore(person.account.id, "It was somebody else.")
    assert restored.state_reason == "It was somebody else."
    await auth.sign_in.login("ada@campus.test", PASSWORD)


async def test_a_sign_in_at_the_time_of_a_suspension_leaves_no_session(auth: AuthHarness) -> None:
    user_id = (await auth.verified("ada@campus.test")).account.id
    administration = auth.cases.administration
    for _ in range(5):
        logins = [auth.sign_in.login("ada@campus.test", PASSWORD) for _ in range(4)]
        await asyncio.gather(*logins, administration.suspend(user_id, "Spam."), return_exceptions=True)
        assert await auth.cases.manage_sessions.list_sessions(user_id) == []
        await administration.restore(user_id, "")
