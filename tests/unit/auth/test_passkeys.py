"""Passkeys of an account: which it can have, and which may have been copied."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.errors import DomainError
from services.auth.domain.accounts import Account, AccountKind
from services.auth.domain.passkey_changes import (
    find_passkey,
    with_changed_passkey,
    with_passkey,
    without_passkey,
)
from services.auth.domain.passkeys import MAX_PASSKEYS, Passkey, PasskeyProof
from services.auth.domain.second_factors import Authenticator
from services.auth.domain.security_events import SecurityVerb
from services.auth.domain.security_notes import account_notes
from services.auth.service.list_personal_data import account_fields
from tests.unit.auth.test_linking import NOW, account


def passkey(number: int = 1, *, sign_count: int = 0, eligible: bool = False) -> Passkey:
    return Passkey(
        id=f"pky_{number}",
        credential_id=b"credential %d" % number,
        public_key=b"key",
        sign_count=sign_count,
        is_backup_eligible=eligible,
        is_backed_up=eligible,
        name="Laptop",
        create_time=NOW,
    )


def proof(sign_count: int) -> PasskeyProof:
    return PasskeyProof(sign_count, is_backup_eligible=False, is_backed_up=False)


def reason_of(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.reason


def with_app(found: Account) -> Account:
    return found.with_authenticator(Authenticator(b"sealed", confirm_time=NOW))


def test_an_account_has_twenty_passkeys_and_each_once() -> None:
    full = account()
    for number in range(MAX_PASSKEYS):
        full = with_passkey(full, passkey(number))
    with pytest.raises(DomainError) as refused:
        with_passkey(full, passkey(MAX_PASSKEYS))
    assert reason_of(refused) == "PASSKEY_LIMIT_REACHED"
    with pytest.raises(DomainError) as refused:
        with_passkey(full, replace(passkey(3), id="pky_other"))
    assert reason_of(refused) == "PASSKEY_IN_USE"
    assert full.passkeys[0].id == f"pky_{MAX_PASSKEYS - 1}"


def test_a_counter_that_does_not_grow_refuses_the_passkey_for_good() -> None:
    used = passkey(sign_count=5).used(proof(6), NOW)
    assert (used.sign_count, used.last_use_time, used.is_refused) == (6, NOW, False)
    copied = used.used(proof(6), NOW)
    assert copied.is_refused
    assert copied.used(proof(100), NOW).is_refused
    assert passkey(sign_count=5).used(proof(0), NOW).is_refused


def test_a_passkey_without_a_counter_is_used_many_times() -> None:
    used = passkey()
    for day in range(3):
        used = used.used(proof(0), NOW + timedelta(days=day))
    assert not used.is_refused


def test_a_synced_passkey_is_no_hardware_key() -> None:
    assert passkey().methods == ("hwk", "user", "mfa")
    assert passkey(eligible=True).methods == ("swk", "user", "mfa")


@pytest.mark.parametrize("kind", [AccountKind.MODERATOR, AccountKind.ADMIN])
def test_staff_keeps_its_last_factor(kind: AccountKind) -> None:
    single = with_passkey(account(kind), passkey())
    with pytest.raises(DomainError) as refused:
        without_passkey(single, "pky_1")
    assert reason_of(refused) == "NO_AUTHENTICATOR"
    beside_refused = with_passkey(single, replace(passkey(2), is_refused=True))
    with pytest.raises(DomainError):
        without_passkey(beside_refused, "pky_1")
    assert without_passkey(with_app(single), "pky_1").passkeys == ()
    assert len(without_passkey(with_passkey(single, passkey(2)), "pky_1").passkeys) == 1


def test_an_unknown_passkey_is_not_found() -> None:
    for change in (without_passkey, find_passkey):
        with pytest.raises(DomainError) as refused:
            change(account(), "pky_9")
        assert reason_of(refused) == "PASSKEY_NOT_FOUND"


def test_each_change_is_a_security_event_without_keys() -> None:
    before = account()
    one = with_passkey(before, passkey())
    refused = with_changed_passkey(one, replace(passkey(), is_refused=True))
    renamed = with_changed_passkey(one, replace(passkey(), name="Phone"))
    [added] = account_notes(before, one)
    assert (added.verb, added.target, added.after) == (SecurityVerb.PASSKEY_ADDED, "pky_1", "Laptop")
    assert [each.verb for each in account_notes(one, refused)] == [SecurityVerb.PASSKEY_REFUSED]
    assert [each.verb for each in account_notes(refused, before)] == [SecurityVerb.PASSKEY_REMOVED]
    assert account_notes(one, renamed) == account_notes(refused, refused) == ()


def test_a_persons_copy_names_passkeys_without_their_keys() -> None:
    [listed] = account_fields(with_passkey(account(), passkey()))["passkeys"]
    assert listed["name"] == "Laptop"
    assert not {"credentialId", "publicKey", "signCount"} & set(listed)


class FactorMachine(RuleBasedStateMachine):
    """An administrator's factors, added, used, copied and removed in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.account = with_app(account(AccountKind.ADMIN))
        self.made = 0
        self.now = datetime(2027, 1, 2, tzinfo=UTC)
        self.refused = set[str]()

    @rule(sign_count=st.integers(0, 3))
    def add(self, sign_count: int) -> None:
        self.made += 1
        added = passkey(self.made, sign_count=sign_count)
        if len(self.account.passkeys) < MAX_PASSKEYS:
            self.account = with_passkey(self.account, added)

    @rule(which=st.integers(0, MAX_PASSKEYS - 1), counter=st.integers(0, 6))
    def use(self, which: int, counter: int) -> None:
        if which < len(self.account.passkeys):
            before = self.account.passkeys[which]
            used = before.used(proof(counter), self.now)
            if used.is_refused:
                self.refused.add(used.id)
            self.account = with_changed_passkey(self.account, used)

    @rule(which=st.integers(0, MAX_PASSKEYS - 1))
    def remove(self, which: int) -> None:
        if which < len(self.account.passkeys):
            removed = self.account.passkeys[which].id
            try:
                self.account = without_passkey(self.account, removed)
            except DomainError as error:
                assert error.reason == "NO_AUTHENTICATOR"
                assert not self.account.needs_second_factor
            else:
                self.refused.discard(removed)

    @rule()
    def turn_app_off(self) -> None:
        if any(not each.is_refused for each in self.account.passkeys):
            self.account = self.account.without_authenticator()

    @invariant()
    def refused_passkeys_stay_refused(self) -> None:
        assert {each.id for each in self.account.passkeys if each.is_refused} == self.refused

    @invariant()
    def each_passkey_is_there_once(self) -> None:
        assert len({each.credential_id for each in self.account.passkeys}) == len(self.account.passkeys)


TestFactors = FactorMachine.TestCase
