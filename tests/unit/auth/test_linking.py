"""Identities at other providers: which of them an account can have."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    PendingRegistration,
    open_account,
)
from services.auth.domain.identities import LinkedIdentity, identity_key
from services.auth.domain.linking import has_identity, with_identity, without_identity
from services.auth.domain.security_events import SecurityVerb
from services.auth.domain.security_notes import account_notes

NOW = datetime(2027, 1, 1, tzinfo=UTC)
ISSUERS = ("https://login.example.edu", "https://id.example.org")
REGISTRATION = PendingRegistration(
    AccountHolder("Ada", AccountKind.STUDENT), "hash", b"", 0, NOW + timedelta(minutes=15)
)


def account(kind: AccountKind = AccountKind.STUDENT) -> Account:
    registration = replace(REGISTRATION, holder=AccountHolder("Ada", kind))
    opened = open_account("usr_1", "ada@campus.test", registration, NOW)
    return opened.verified_by(registration, NOW)


def identity(issuer: str = ISSUERS[0], subject: str = "1", number: int = 1) -> LinkedIdentity:
    return LinkedIdentity(f"idn_{number}", "campus", issuer, subject, "ada@campus.test", NOW)


def test_an_account_has_one_identity_of_each_issuer() -> None:
    linked = with_identity(with_identity(account(), identity()), identity(ISSUERS[1], number=2))
    assert [each.id for each in linked.identities] == ["idn_2", "idn_1"]
    assert with_identity(linked, identity()) is linked
    with pytest.raises(DomainError, match="IDENTITY_CONFLICT"):
        with_identity(linked, identity(subject="2"))


@pytest.mark.parametrize("kind", [AccountKind.MODERATOR, AccountKind.ADMIN])
def test_staff_has_none(kind: AccountKind) -> None:
    with pytest.raises(DomainError, match="PERMISSION_DENIED"):
        with_identity(account(kind), identity())


def test_an_unlinked_identity_is_gone_once() -> None:
    linked = with_identity(account(), identity())
    unlinked = without_identity(linked, "idn_1")
    assert not has_identity(unlinked, identity().key)
    assert unlinked.version == linked.version + 1
    with pytest.raises(DomainError, match="IDENTITY_NOT_FOUND"):
        without_identity(unlinked, "idn_1")


def test_the_record_of_the_account_says_what_was_linked_and_unlinked() -> None:
    before, after = account(), with_identity(account(), identity())
    [linked] = account_notes(before, after)
    [unlinked] = account_notes(after, before)
    assert (linked.verb, linked.target, linked.after) == (
        SecurityVerb.IDENTITY_LINKED,
        "idn_1",
        "campus a***@campus.test",
    )
    assert unlinked.verb is SecurityVerb.IDENTITY_UNLINKED
    assert account_notes(after, replace(after, update_time=NOW)) == ()


LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)


@given(LINE, LINE, LINE, LINE)
def test_two_identities_never_share_a_name(one: str, other: str, third: str, fourth: str) -> None:
    assert (identity_key(one, other) == identity_key(third, fourth)) is ((one, other) == (third, fourth))
