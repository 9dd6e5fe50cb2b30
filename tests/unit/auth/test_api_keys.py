"""API keys of a company: their form, their number, and their end."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chassis.errors import DomainError
from chassis.ids import is_id, new_id, slot_of
from services.auth.domain.api_keys import (
    EXPIRED_KEYS_LISTED,
    MAX_API_KEYS,
    ApiKey,
    ApiKeyScope,
    CompanyApiKeys,
    PresentedApiKey,
    shown_prefix,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
COMPANY = new_id("cmp")
DAY = timedelta(days=1)


def made(now: datetime = NOW, life: timedelta = 90 * DAY) -> tuple[ApiKey, PresentedApiKey]:
    presented = PresentedApiKey.new(COMPANY, now)
    scopes = (ApiKeyScope.LISTINGS_READ,)
    key = ApiKey(presented.id, "Careers page", scopes, presented.digest, new_id("usr"), now, now + life)
    return key, presented


def test_a_key_lives_in_its_companys_slot_and_says_so_itself() -> None:
    key, presented = made()
    text = presented.encode()
    assert text.startswith(f"{shown_prefix(key.id)}_")
    assert is_id("key", key.id)
    assert slot_of(key.id) == slot_of(COMPANY)
    assert PresentedApiKey.decode(text) == presented


def test_only_the_whole_secret_proves_a_key() -> None:
    key, presented = made()
    assert key.is_proven_by(presented)
    assert not key.is_proven_by(PresentedApiKey(key.id, bytes(32)))
    assert not key.is_proven_by(PresentedApiKey(key.id, presented.secret[:-1]))


@given(st.text(max_size=90) | st.from_regex(r"ick_[0-9A-Z]{20,30}_[A-Za-z0-9_-]{40,46}", fullmatch=True))
def test_a_text_is_read_as_a_key_only_when_it_has_the_form_of_one(text: str) -> None:
    try:
        presented = PresentedApiKey.decode(text)
    except DomainError as error:
        assert error.reason == "API_KEY_INVALID"
    else:
        assert is_id("key", presented.id)
        assert len(presented.secret) == 32


def test_an_older_change_of_the_company_changes_nothing() -> None:
    keys = CompanyApiKeys(COMPANY).with_suspension(is_suspended=True, company_version=3)
    assert keys is not None
    assert keys.with_suspension(is_suspended=False, company_version=2) is None
    assert keys.with_suspension(is_suspended=True, company_version=3) is None
    restored = keys.with_suspension(is_suspended=False, company_version=4)
    assert restored is not None and not restored.is_suspended


def test_the_day_of_a_use_is_stored_once_and_never_goes_back() -> None:
    key, _ = made()
    used = CompanyApiKeys(COMPANY).with_key(key, NOW).used_on(key.id, date(2027, 1, 2))
    assert used is not None
    assert used.find_key_or_raise(key.id).last_use_day == "2027-01-02"
    assert used.used_on(key.id, date(2027, 1, 2)) is None
    assert used.used_on(key.id, date(2027, 1, 1)) is None
    assert used.used_on(new_id("key"), date(2027, 1, 3)) is None


class KeysOfACompany(RuleBasedStateMachine):
    """Keys are made, revoked and expire while the company is suspended and restored."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.keys = CompanyApiKeys(COMPANY)
        self.live: list[str] = []
        self.number = 0

    @rule(life=st.integers(1, 366))
    def make(self, life: int) -> None:
        key, _ = made(self.now, life * DAY)
        is_full = len(self.keys.listed(self.now)) >= MAX_API_KEYS
        if self.keys.is_suspended or is_full:
            reason = "COMPANY_SUSPENDED" if self.keys.is_suspended else "API_KEY_LIMIT_REACHED"
            with pytest.raises(DomainError, match=reason):
                self.keys.with_key(key, self.now)
            return
        self.keys = self.keys.with_key(key, self.now)
        self.live.append(key.id)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        key_id = data.draw(st.sampled_from(self.live))
        self.live.remove(key_id)
        if self.keys.find_key(key_id) is None:
            return
        self.keys = self.keys.without_key(key_id)
        with pytest.raises(DomainError, match="API_KEY_NOT_FOUND"):
            self.keys.without_key(key_id)

    @rule(is_suspended=st.booleans())
    def change_company(self, is_suspended: bool) -> None:
        self.number += 1
        after = self.keys.with_suspension(is_suspended=is_suspended, company_version=self.number)
        assert after is not None
        self.keys = after
        if is_suspended:
            self.live.clear()

    @rule(days=st.integers(1, 200))
    def wait(self, days: int) -> None:
        self.now += days * DAY
        ends = {key.id: key.expire_time + EXPIRED_KEYS_LISTED for key in self.keys.keys}
        self.live = [each for each in self.live if each in ends and self.now < ends[each]]

    @invariant()
    def the_company_sees_what_it_made_and_has_not_revoked(self) -> None:
        assert {key.id for key in self.keys.listed(self.now)} == set(self.live)
        assert len(self.live) <= MAX_API_KEYS
        assert not (self.keys.is_suspended and self.keys.keys)


TestKeysOfACompany = KeysOfACompany.TestCase
