"""Authenticator apps, recovery codes, and proving oneself again."""

import asyncio
from datetime import timedelta

import pyotp

from internshipconnect.events.v1.events_pb2 import SecondFactorChanged
from services.auth.domain.second_factors import STEP
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness, build_auth_harness
from tests.integration.auth.test_signing_in import claims_of, reason_of

EMAIL = "ada@campus.test"
LAPTOP = Visitor(("192.0.2.1",), b"Firefox")


async def with_app(auth: AuthHarness) -> tuple[SignInResult, pyotp.TOTP, list[str]]:
    """Return a person who has an app, and recovery codes."""
    person = await auth.verified(EMAIL)
    factors = auth.cases.manage_second_factors
    secret, _ = await factors.begin(person.account.id)
    app = pyotp.TOTP(secret)
    codes, renewed = await factors.confirm(person.account.id, session_of(person), now(auth, app), LAPTOP)
    assert claims_of(renewed)["amr"] == ["pwd", "otp", "mfa"]
    auth.clock.advance(STEP)
    return person, app, codes


def now(auth: AuthHarness, app: pyotp.TOTP) -> str:
    return app.at(auth.clock.now())


def session_of(signed_in: SignInResult) -> str:
    return signed_in.refresh_token.partition(".")[0]


async def log_in(auth: AuthHarness, code: str = "", password: str = PASSWORD) -> SignInResult:
    return await auth.sign_in.login(EMAIL, password, LAPTOP, second_factor=code)


async def test_with_an_app_the_password_alone_does_not_sign_in(auth: AuthHarness) -> None:
    _, app, _ = await with_app(auth)
    assert await reason_of(log_in(auth)) == "SECOND_FACTOR_REQUIRED"
    assert await reason_of(log_in(auth, "000000")) == "INVALID_SECOND_FACTOR"
    assert await reason_of(log_in(auth, now(auth, app), "not it at all")) == "INVALID_CREDENTIALS"
    assert claims_of(await log_in(auth, now(auth, app)))["amr"] == ["pwd", "otp", "mfa"]


async def test_a_code_signs_in_once_even_for_many_at_once(auth: AuthHarness) -> None:
    _, app, _ = await with_app(auth)
    code = now(auth, app)
    answers = await asyncio.gather(*(log_in(auth, code) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, SignInResult) for answer in answers) == 1
    auth.clock.advance(STEP)
    await log_in(auth, now(auth, app))


async def test_a_recovery_code_signs_in_once_and_its_owner_is_told(auth: AuthHarness) -> None:
    person, _, codes = await with_app(auth)
    assert claims_of(await log_in(auth, codes[3].lower()))["amr"] == ["pwd", "mfa"]
    assert await reason_of(log_in(auth, codes[3])) == "INVALID_SECOND_FACTOR"
    account = await auth.cases.manage_second_factors.get_account(person.account.id)
    assert len(account.recovery_codes) == 9
    changes = [each.change for each in await read_outbox(auth.shards, SecondFactorChanged, account.id)]
    assert sorted(changes) == [1, 3]


async def test_turning_an_app_on_ends_the_sessions_without_it(auth: AuthHarness) -> None:
    earlier = await auth.verified(EMAIL)
    other = await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    factors = auth.cases.manage_second_factors
    secret, _ = await factors.begin(earlier.account.id)
    code = now(auth, pyotp.TOTP(secret))
    await factors.confirm(earlier.account.id, session_of(earlier), code, LAPTOP)
    assert await reason_of(auth.sign_in.refresh(other.refresh_token)) == "INVALID_REFRESH_TOKEN"
    renewed = await auth.sign_in.refresh(earlier.refresh_token)
    assert claims_of(renewed)["amr"] == ["pwd", "otp", "mfa"]


async def test_an_app_that_is_not_confirmed_counts_for_nothing(auth: AuthHarness) -> None:
    person = await auth.verified(EMAIL)
    factors = auth.cases.manage_second_factors
    first, _ = await factors.begin(person.account.id)
    second, _ = await factors.begin(person.account.id)
    await log_in(auth)
    stale = factors.confirm(person.account.id, session_of(person), now(auth, pyotp.TOTP(first)), LAPTOP)
    assert await reason_of(stale) == "INVALID_SECOND_FACTOR"
    await factors.confirm(person.account.id, session_of(person), now(auth, pyotp.TOTP(second)), LAPTOP)
    assert await reason_of(factors.begin(person.account.id)) == "AUTHENTICATOR_IN_USE"


async def test_an_app_is_removed_only_by_a_session_that_has_proven_it(auth: AuthHarness) -> None:
    person, _, _ = await with_app(auth)
    remove = auth.cases.manage_second_factors.remove
    assert await reason_of(remove(person.account.id, ("pwd",))) == "SECOND_FACTOR_REQUIRED"
    for _ in range(2):
        await remove(person.account.id, ("pwd", "otp", "mfa"))
    await log_in(auth)


async def test_new_recovery_codes_void_the_former_ones(auth: AuthHarness) -> None:
    person, _, former = await with_app(auth)
    codes = await auth.cases.manage_second_factors.renew_recovery_codes(person.account.id)
    assert await reason_of(log_in(auth, former[0])) == "INVALID_SECOND_FACTOR"
    await log_in(auth, codes[0])
    other = await auth.verified("grace@campus.test")
    renew = auth.cases.manage_second_factors.renew_recovery_codes(other.account.id)
    assert await reason_of(renew) == "NO_AUTHENTICATOR"


async def test_proving_oneself_again_makes_the_session_fresh(auth: AuthHarness) -> None:
    person, app, _ = await with_app(auth)
    auth.clock.advance(timedelta(hours=1))
    again = auth.cases.manage_second_factors.reauthenticate
    known = (person.account.id, session_of(person))
    assert await reason_of(again(*known, "not it at all", now(auth, app), LAPTOP)) == "INVALID_FIELD"
    assert await reason_of(again(*known, PASSWORD, "", LAPTOP)) == "SECOND_FACTOR_REQUIRED"
    renewed = claims_of(await again(*known, PASSWORD, now(auth, app), LAPTOP))
    assert renewed["auth_time"] == int(auth.clock.now().timestamp())
    assert renewed["sid"] == session_of(person)
    await auth.sign_in.refresh(person.refresh_token)
    await auth.cases.manage_sessions.end_session(*known)
    auth.clock.advance(STEP)
    assert await reason_of(again(*known, PASSWORD, now(auth, app), LAPTOP)) == "SESSION_REVOKED"


async def test_wrong_codes_are_failed_sign_ins_which_the_password_alone_does_not_forget(
    auth: AuthHarness,
) -> None:
    await with_app(auth)
    strict = build_auth_harness(auth.shards, auth.redis, auth.clock, auth.data_key, SignInPolicy())
    reasons = []
    for _ in range(6):
        reasons.append(await reason_of(log_in(strict)))
        reasons.append(await reason_of(log_in(strict, "000000")))
    await strict.hasher.close()
    assert reasons[:2] == ["SECOND_FACTOR_REQUIRED", "INVALID_SECOND_FACTOR"]
    assert reasons[-1] == "RATE_LIMITED"
