"""Whom we can reach, from events in any order."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notification.domain.recipients import Addressee, Recipient

NOW = datetime(2026, 3, 3, tzinfo=UTC)
Change = Callable[[Recipient], Recipient]


def registered(recipient: Recipient) -> Recipient:
    return recipient.with_registration(email="ada@example.org", name="Ada", company_id="cmp_1")


def profile(name: str, hours: int) -> Change:
    return lambda recipient: recipient.with_profile(
        name=name, locale="de", time_zone="Europe/Berlin", at=NOW + timedelta(hours=hours)
    )


def test_the_language_of_the_registration_counts_until_the_profile_names_one() -> None:
    known = Recipient(id="usr_1").with_registration(
        email="ada@example.org", name="Ada", company_id="", locale="de"
    )

    def after_profile(locale: str) -> str:
        changed = known.with_profile(name="Ada", time_zone="", at=NOW, locale=locale)
        return changed.addressee_at("ada@example.org").locale

    assert known.addressee_at("ada@example.org").locale == "de"
    assert (after_profile(""), after_profile("en")) == ("de", "en")
    assert known.addressee_at("ada@example.org", "en").locale == "en"


@given(st.permutations([registered, profile("Ada L.", 1), profile("Ada Lovelace", 2)]))
def test_any_order_of_registration_and_profiles_ends_the_same(changes: list[Change]) -> None:
    recipient = Recipient(id="usr_1")
    for change in changes:
        recipient = change(recipient)
    assert recipient == Recipient(
        id="usr_1",
        email="ada@example.org",
        name="Ada Lovelace",
        locale="de",
        time_zone="Europe/Berlin",
        company_id="cmp_1",
        profile_time=NOW + timedelta(hours=2),
    )


def test_a_recipient_without_a_registration_event_cannot_be_reached() -> None:
    assert profile("Ada", 1)(Recipient(id="usr_1")).addressee is None


def test_a_registered_account_can_be_reached() -> None:
    assert registered(Recipient(id="usr_1")).addressee == Addressee(email="ada@example.org", name="Ada")


def test_the_name_of_the_account_fills_a_profile_without_one() -> None:
    known = registered(profile("", 1)(Recipient(id="usr_1"))).addressee
    assert known == Addressee(email="ada@example.org", name="Ada", time_zone="Europe/Berlin", locale="de")
