"""A data key is replaced while people sign in: processes with either key serve them, and nothing is lost."""

from dataclasses import dataclass

import pyotp
import pytest
from cryptography.exceptions import InvalidTag

from chassis.security.data_keys import DataKeys, name_data_key
from services.auth.domain.second_factors import STEP
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.repository import SigningKeyRepository
from services.auth.service.renew_seals import RenewSeals
from tests.integration.auth.conftest import PASSWORD, AuthHarness, build_auth_harness
from tests.integration.auth.test_second_factors import EMAIL, LAPTOP, log_in, now, with_app
from tests.integration.auth.test_signing_in import reason_of

NEW_KEY = b"n" * 32


@dataclass
class Rounds:
    """Processes of each round of a replacement, on the same stores."""

    former: AuthHarness
    knowing: AuthHarness
    using: AuthHarness
    last: AuthHarness


@pytest.fixture
def rounds(auth: AuthHarness) -> Rounds:
    def process(newest: bytes, *others: bytes) -> AuthHarness:
        stores = (auth.shards, auth.redis, auth.clock)
        return build_auth_harness(*stores, newest, SignInPolicy(1_000), other_data_keys=others)

    former = auth.data_key
    return Rounds(auth, process(former, NEW_KEY), process(NEW_KEY, former), process(NEW_KEY))


def seals_of(auth: AuthHarness) -> RenewSeals:
    return auth.cases.renew_seals


async def number_of_events(auth: AuthHarness, user_id: str) -> int:
    events, _ = await auth.cases.security_events.list_of_account(user_id, below=None, size=50)
    return len(events)


async def test_a_session_goes_on_through_all_rounds(rounds: Rounds) -> None:
    signed_in = await rounds.former.verified(EMAIL)
    for process in (rounds.knowing, rounds.using, rounds.knowing, rounds.using):
        signed_in = await process.sign_in.refresh(signed_in.refresh_token, LAPTOP)
    await seals_of(rounds.using).renew()
    await rounds.last.sign_in.refresh(signed_in.refresh_token, LAPTOP)


async def test_a_refresh_whose_answer_was_lost_is_repeated_by_a_process_with_the_other_key(
    rounds: Rounds,
) -> None:
    signed_in = await rounds.former.verified(EMAIL)
    lost = await rounds.knowing.sign_in.refresh(signed_in.refresh_token, LAPTOP)
    repeated = await rounds.using.sign_in.refresh(signed_in.refresh_token, LAPTOP)
    session_of_lost = await rounds.using.sign_in.refresh(lost.refresh_token, LAPTOP)
    assert repeated.refresh_token.partition(".")[0] == session_of_lost.refresh_token.partition(".")[0]


async def test_a_code_that_was_sent_before_verifies_after(rounds: Rounds) -> None:
    user_id = await rounds.former.register(EMAIL, PASSWORD)
    [code] = await rounds.former.codes(user_id)
    assert await reason_of(rounds.last.registration.verify_email(EMAIL, code)) == "INVALID_VERIFICATION_CODE"
    await rounds.using.registration.verify_email(EMAIL, code)


async def test_second_factors_are_renewed_and_go_on_without_the_former_key(rounds: Rounds) -> None:
    former, using, last = rounds.former, rounds.using, rounds.last
    person, app, codes = await with_app(former)
    await log_in(using, now(former, app))
    former.clock.advance(STEP)
    before = await number_of_events(using, person.account.id)
    await seals_of(using).renew()
    assert await number_of_events(using, person.account.id) == before

    account = await using.accounts.get_or_raise(person.account.id)
    assert account.authenticator is not None
    assert account.authenticator.sealed_with == name_data_key(NEW_KEY)
    await log_in(last, now(former, app))
    await log_in(last, codes[0])
    assert await reason_of(log_in(last, codes[0])) == "INVALID_SECOND_FACTOR"
    with pytest.raises(InvalidTag):
        await log_in(former, codes[1])


async def test_recovery_codes_that_are_renewed_in_between_are_sealed_with_the_key_that_is_named(
    rounds: Rounds,
) -> None:
    person, _, _ = await with_app(rounds.former)
    await seals_of(rounds.using).renew()
    # A process of the round before renews the codes after everything was done.
    codes = await rounds.knowing.cases.manage_second_factors.renew_recovery_codes(person.account.id)
    account = await rounds.using.accounts.get_or_raise(person.account.id)
    assert account.authenticator is not None
    assert account.authenticator.sealed_with == DataKeys(rounds.former.data_key).name
    await seals_of(rounds.using).renew()
    await log_in(rounds.last, codes[0])


async def test_signing_keys_are_renewed_and_sign_as_before(rounds: Rounds) -> None:
    before = await rounds.former.keys.current_signer()
    await seals_of(rounds.using).renew()
    [key] = await SigningKeyRepository(rounds.last.shards).list_keys()
    assert rounds.last.key_store.is_sealed_with_newest(key)
    after = await rounds.last.keys.current_signer()
    assert after.kid == before.kid
    assert after.private_key.private_numbers() == before.private_key.private_numbers()


async def test_security_events_hold_and_go_on_without_the_former_key(rounds: Rounds) -> None:
    person = await rounds.former.verified(EMAIL)
    await seals_of(rounds.using).renew()
    await log_in(rounds.last)
    verify = rounds.last.cases.verify_security_events
    assert await verify.verify_account(person.account.id) is None


async def test_what_no_key_opens_is_left_as_it_is_and_ends_no_round(rounds: Rounds) -> None:
    person, app, _ = await with_app(rounds.former)
    other = build_auth_harness(
        rounds.former.shards, rounds.former.redis, rounds.former.clock, b"o" * 32, SignInPolicy(1_000)
    )
    await seals_of(other).renew()
    account = await rounds.former.accounts.get_or_raise(person.account.id)
    assert account.authenticator is not None
    assert account.authenticator.sealed_with == DataKeys(rounds.former.data_key).name
    await log_in(rounds.former, now(rounds.former, app))


def test_apps_are_not_confused(rounds: Rounds) -> None:
    sealed = rounds.former.key_store.seal_authenticator(pyotp.random_base32(), "usr_1")
    assert rounds.using.key_store.open_secret(sealed, "usr_1")
    resealed, _ = rounds.using.key_store.reseal_second_factors(sealed, (), "usr_1")
    assert resealed.sealed_with != sealed.sealed_with
