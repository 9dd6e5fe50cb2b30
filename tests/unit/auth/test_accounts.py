from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import DomainError
from services.auth.domain.accounts import (
    MAX_LIVE_REGISTRATIONS,
    Account,
    AccountHolder,
    AccountKind,
    AccountState,
    PendingRegistration,
    open_account,
)
from services.auth.domain.codes import (
    CODE_LIFE,
    MAX_GUESSES_OF_REGISTRANT,
    MAX_GUESSES_PER_CODE,
    CodeGuesses,
    RegistrationClient,
    digest_client,
    digest_code,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
ADA = AccountHolder("Ada", AccountKind.STUDENT)
EVE = AccountHolder("Eve", AccountKind.STUDENT)
KEY = bytes(32)
NOWHERE = RegistrationClient()


def client(*networks: str) -> RegistrationClient:
    return digest_client(KEY, "usr_1", networks)


def registration(
    code: str = "11111111",
    holder: AccountHolder = ADA,
    guesses: int = 0,
    at: datetime = NOW,
    came_from: RegistrationClient = NOWHERE,
) -> PendingRegistration:
    return PendingRegistration(
        *(holder, f"hash-{code}", digest_code(KEY, "usr_1", code), guesses, at + CODE_LIFE),
        came_from=came_from,
    )


def account(*registrations: PendingRegistration) -> Account:
    first, *others = registrations or (registration(),)
    opened = open_account("usr_1", "ada@example.test", first, NOW)
    for other in others:
        opened = opened.with_registration(other, NOW)
    return opened


def find(
    held: Account,
    code: str,
    guesses: int = 1,
    at: datetime = NOW,
    guesser: RegistrationClient = NOWHERE,
    own: int = 0,
) -> PendingRegistration | None:
    digest = digest_code(KEY, "usr_1", code)
    return held.find_registration([(digest, guesser)], CodeGuesses(guesses, own), at)


def test_the_right_code_finds_its_registration() -> None:
    assert find(account(), "11111111") == registration()


def test_a_wrong_code_finds_none() -> None:
    assert find(account(), "11111112") is None


def test_a_code_expires_after_fifteen_minutes() -> None:
    assert find(account(), "11111111", at=NOW + CODE_LIFE - timedelta(milliseconds=1))
    assert find(account(), "11111111", at=NOW + CODE_LIFE) is None


def test_the_last_guess_may_be_right_and_the_next_is_too_late() -> None:
    assert find(account(), "11111111", guesses=MAX_GUESSES_PER_CODE)
    assert find(account(), "11111111", guesses=MAX_GUESSES_PER_CODE + 1) is None


def test_a_new_code_has_its_own_guesses_and_the_old_one_gets_none_back() -> None:
    held = account(registration(), registration("22222222", guesses=MAX_GUESSES_PER_CODE))
    assert find(held, "22222222", guesses=2 * MAX_GUESSES_PER_CODE)
    assert find(held, "11111111", guesses=MAX_GUESSES_PER_CODE + 1) is None


def test_where_a_code_was_asked_for_it_counts_whatever_others_have_tried() -> None:
    home, elsewhere = client("192.0.2.1"), client("192.0.2.2")
    held = account(registration(came_from=home))
    tried = 1_000 * MAX_GUESSES_PER_CODE
    assert find(held, "11111111", guesses=tried, guesser=home, own=MAX_GUESSES_OF_REGISTRANT)
    assert find(held, "11111111", guesses=tried, guesser=home, own=MAX_GUESSES_OF_REGISTRANT + 1) is None
    assert find(held, "11111111", guesses=tried, guesser=elsewhere, own=1) is None
    assert find(held, "11111111", guesses=tried, guesser=NOWHERE) is None


def test_a_client_that_is_not_known_is_nobodys_own() -> None:
    assert find(account(), "11111111", guesses=MAX_GUESSES_PER_CODE + 1, own=1) is None
    assert client() == NOWHERE


def test_one_networks_many_registrations_do_not_push_out_the_owners() -> None:
    owners = registration(came_from=client("192.0.2.1"))
    many = [
        registration(f"{number:08}", came_from=client(f"2001:db8:1:{number:x}::/64", "2001:db8:1::/48"))
        for number in range(5 * MAX_LIVE_REGISTRATIONS)
    ]
    held = account(owners, *many)
    assert find(held, "11111111") == owners
    assert len(held.registrations) == MAX_LIVE_REGISTRATIONS
    assert held.registrations[-1] == many[-1]


def test_of_one_client_the_three_newest_registrations_wait_beside_those_of_others() -> None:
    home, elsewhere = client("192.0.2.1"), client("192.0.2.2")
    owners = registration(came_from=home)
    held = account(owners, *(registration(str(number) * 8, came_from=elsewhere) for number in range(2, 6)))
    assert find(held, "11111111") == owners
    assert find(held, "22222222") is None
    assert len(held.registrations) == 4


def test_a_code_is_bound_to_its_account() -> None:
    assert digest_code(KEY, "usr_1", "11111111") != digest_code(KEY, "usr_2", "11111111")


def test_registering_again_replaces_password_and_holder_until_one_is_proven() -> None:
    held = account(registration(), registration("22222222", EVE))
    assert (held.password_hash, held.holder, held.credential) == ("hash-22222222", EVE, 2)


def test_the_owners_code_brings_the_owners_password_although_somebody_registered_later() -> None:
    held = account(registration(holder=ADA), registration("22222222", EVE))
    owners = find(held, "11111111")
    assert owners is not None
    verified = held.verified_by(owners, NOW)
    assert (verified.password_hash, verified.holder) == ("hash-11111111", ADA)
    assert verified.credential > held.credential


def test_verifying_the_newest_registration_keeps_the_sessions_of_its_password() -> None:
    held = account()
    assert held.verified_by(held.registrations[-1], NOW).credential == held.credential


def test_a_verified_account_is_active_and_its_codes_are_gone() -> None:
    held = account()
    verified = held.verified_by(held.registrations[-1], NOW)
    assert verified.state is AccountState.ACTIVE
    assert verified.email_verified
    assert find(verified, "11111111") is None


def test_only_the_three_newest_registrations_wait() -> None:
    held = account(*(registration(str(number) * 8) for number in range(1, 5)))
    assert find(held, "11111111") is None
    assert all(find(held, str(number) * 8) for number in range(2, 5))


@pytest.mark.parametrize("state", [AccountState.LOCKED, AccountState.SUSPENDED])
def test_a_locked_account_may_not_sign_in(state: AccountState) -> None:
    with pytest.raises(DomainError) as failure:
        in_state(state).check_may_sign_in()
    assert failure.value.reason == "ACCOUNT_LOCKED"


def test_a_deleted_account_looks_like_none() -> None:
    with pytest.raises(DomainError) as failure:
        in_state(AccountState.DELETED).check_may_sign_in()
    assert failure.value.reason == "INVALID_CREDENTIALS"


def test_an_unproven_account_may_sign_in() -> None:
    account().check_may_sign_in()


def in_state(state: AccountState) -> Account:
    return replace(account(), state=state)


def test_an_account_shows_its_address_as_it_was_typed_by_who_proved_it() -> None:
    typed = replace(registration("22222222"), email="Ada@Example.test")
    held = account(registration(), typed)
    assert held.email == "Ada@Example.test"
    assert held.verified_by(typed, NOW).email == "Ada@Example.test"
    assert account().verified_by(registration(), NOW).email == "ada@example.test"


def test_a_renewed_hash_is_of_the_same_password() -> None:
    renewed = account().with_renewed_hash("hash-11111111", "renewed")
    assert renewed is not None
    assert (renewed.password_hash, renewed.credential, renewed.version) == ("renewed", 1, 2)
    assert renewed.with_renewed_hash("hash-11111111", "too late") is None
