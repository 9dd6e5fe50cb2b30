"""The ledger of consents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from chassis.languages import LANGUAGES
from services.user.domain.consents import (
    CONSENT_TEXTS,
    ConsentDecision,
    ConsentEntry,
    ConsentPurpose,
    ConsentSource,
    consent_status,
    newest_version,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PERSON = "usr_01JD0000000000000000000000"
MARKETING = ConsentPurpose.MARKETING
GIVE = ConsentDecision(MARKETING, ConsentSource.SETTINGS, newest_version(MARKETING))
WITHDRAW = ConsentDecision(MARKETING, ConsentSource.SETTINGS)


def decided(*decisions: ConsentDecision) -> list[ConsentEntry]:
    ledger: list[ConsentEntry] = []
    for number, decision in enumerate(decisions):
        last = ledger[-1] if ledger else None
        at = NOW + timedelta(minutes=number)
        added = decision.entry_after(last, entry_id=f"con_{number}", user_id=PERSON, now=at)
        if added is not None:
            ledger.append(added)
    return ledger


def test_every_purpose_has_its_text_in_every_language() -> None:
    assert CONSENT_TEXTS.keys() == set(ConsentPurpose) - {ConsentPurpose.UNSPECIFIED}
    for versions in CONSENT_TEXTS.values():
        assert versions
        for texts in versions:
            assert set(texts) == set(LANGUAGES)


def test_a_consent_counts_until_it_is_withdrawn() -> None:
    assert not consent_status(MARKETING, None).given
    assert consent_status(MARKETING, decided(GIVE)[-1]).given
    assert not consent_status(MARKETING, decided(GIVE, WITHDRAW)[-1]).given
    assert consent_status(MARKETING, decided(GIVE, WITHDRAW, GIVE)[-1]).given


def test_a_withdrawal_names_the_version_that_was_consented_to() -> None:
    last = replace(decided(GIVE)[-1], text_version=7)
    gone = WITHDRAW.entry_after(last, entry_id="con_1", user_id=PERSON, now=NOW)
    assert gone is not None
    assert (gone.given, gone.text_version, gone.number) == (False, 7, 2)


def test_another_version_of_a_text_is_another_consent() -> None:
    older = replace(decided(GIVE)[-1], text_version=0)
    added = GIVE.entry_after(older, entry_id="con_1", user_id=PERSON, now=NOW)
    assert added is not None and added.text_version == newest_version(MARKETING)


def test_a_text_that_is_not_the_newest_cannot_be_consented_to() -> None:
    wrong = replace(GIVE, text_version=newest_version(MARKETING) + 1)
    with pytest.raises(DomainError) as refused:
        decided(wrong)
    assert refused.value.reason == "CONSENT_TEXT_OUTDATED"


@given(st.lists(st.sampled_from([GIVE, WITHDRAW])))
def test_repeats_add_nothing_and_entries_are_numbered_and_alternate(
    decisions: list[ConsentDecision],
) -> None:
    ledger = decided(*decisions)
    assert [each.number for each in ledger] == list(range(1, len(ledger) + 1))
    assert [each.given for each in ledger] == [number % 2 == 0 for number in range(len(ledger))]
    if decisions:
        last = ledger[-1] if ledger else None
        assert consent_status(MARKETING, last).given == decisions[-1].gives
