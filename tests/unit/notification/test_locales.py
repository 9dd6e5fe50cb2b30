"""The languages of mails."""

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

import pytest

from chassis.languages import LANGUAGES
from services.notification.domain import notices
from services.notification.domain.contents import (
    NOTIFICATION_CONTENTS,
    ApplicationChanged,
    ListingPublished,
    NotificationContent,
)
from services.notification.domain.recipients import Addressee
from services.notification.locales import format_time, language_for_locale, translate_phrase
from services.notification.rendering import TEMPLATES, NotificationRenderer

MOMENT = datetime(2026, 3, 3, 13, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def mails() -> NotificationRenderer:
    return NotificationRenderer(
        public_url="https://internships.example", sender="hello@ic.example", sender_name="IC"
    )


def sample(kind: type[NotificationContent]) -> NotificationContent:
    kinds = get_type_hints(kind)
    values: dict[str, Any] = {
        field.name: f"<{field.name}>" if kinds[field.name] is str else MOMENT for field in fields(kind)
    }
    return kind(**values)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("de_DE", "de"),
        ("DE-ch", "de"),
        ("de-Latn-DE-1996", "de"),
        ("en", "en"),
        ("en-GB", "en"),
        ("fr-CH", "en"),
        ("deu", "en"),
        ("", "en"),
        ("-", "en"),
    ],
)
def test_a_locale_is_served_exactly_else_by_its_language_else_in_english(locale: str, language: str) -> None:
    assert language_for_locale(locale) == language


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
@pytest.mark.parametrize(
    "english", sorted(TEMPLATES.glob("*/v*/*.*")), ids=lambda path: "/".join(path.parts[-3:])
)
def test_every_template_is_there_in_every_language(english: Path, language: str) -> None:
    translated = english.parent / language / english.name
    assert translated.exists()
    assert translated.read_text() != english.read_text()


@pytest.mark.parametrize("kind", NOTIFICATION_CONTENTS, ids=lambda kind: kind.template)
def test_a_german_mail_has_all_that_the_english_one_has_in_german(
    mails: NotificationRenderer, kind: type[NotificationContent]
) -> None:
    def letter(locale: str) -> Any:
        reader = Addressee(email="a@b.example", name="Ada", locale=locale)
        return mails._draft("ntf_1", sample(kind), reader, MOMENT)

    german, english = letter("de-AT"), letter("en")
    for text, other in (
        (german.text, english.text),
        (german.html, english.html),
        (german.subject, english.subject),
    ):
        assert text != other
        assert text.count("<internship_title>") == other.count("<internship_title>")
        assert text.count("student_headline") == other.count("student_headline")
        assert text.count("MOMENT") == other.count("MOMENT")
    assert 'lang="de"' in german.html
    assert "?lang=de" in german.text
    for english_word in ("Hello", " your ", " the ", " you ", "application for"):
        assert english_word not in german.text


def test_set_phrases_of_contents_are_translated(mails: NotificationRenderer) -> None:
    shown = [shown.words for shown in notices._STATUS_BY_STATE.values()] + list(
        notices._CLOSED_REASON_TEXTS.values()
    )
    assert [text for text in shown if translate_phrase(text, "de") == text] == []
    content = ApplicationChanged(
        application_id="app_1", internship_title="T", company_name="C", status="In review"
    )
    assert "In Prüfung" in mails.render_inbox_entry(content, Addressee(email="a@b.example", locale="de")).body


def test_times_read_as_people_of_the_language_write_them(mails: NotificationRenderer) -> None:
    content = ListingPublished(internship_id="int_1", internship_title="T", apply_deadline=MOMENT)
    reader = Addressee(email="a@b.example", locale="de", time_zone="Europe/Berlin")
    assert (
        "Dienstag, 3. März 2026, 14:05 Uhr (Europe/Berlin)" in mails.render_inbox_entry(content, reader).body
    )


def test_an_hour_that_comes_twice_names_its_offset() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC).astimezone(berlin) for hour in (0, 1))
    assert format_time(first, "en") == "Sunday 25 October 2026, 02:30 (Europe/Berlin, UTC+0200)"
    assert format_time(second, "en") == "Sunday 25 October 2026, 02:30 (Europe/Berlin, UTC+0100)"
