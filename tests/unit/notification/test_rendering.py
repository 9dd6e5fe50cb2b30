"""Templates and the mails that they make."""

import shutil
from dataclasses import fields
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import quote

import pytest

from services.notification.domain.contents import (
    NOTIFICATION_CONTENTS,
    ApplicationOffer,
    ApplicationReceived,
    NewApplicant,
    NotificationContent,
    VerificationCode,
)
from services.notification.domain.recipients import Addressee
from services.notification.rendering import (
    TEMPLATES,
    InvalidRecipientAddressError,
    NotificationRenderer,
    TemplateMismatchError,
)

WRITTEN_AT = datetime(2026, 3, 3, 13, 5, tzinfo=UTC)
READER = Addressee(email="ada@example.org", name="Ada Lovelace", time_zone="Europe/Berlin")
NASTY = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def mails() -> NotificationRenderer:
    return make(TEMPLATES)


def make(folder: Path) -> NotificationRenderer:
    return NotificationRenderer(
        public_url="https://internships.example", sender="hello@ic.example", sender_name="IC", folder=folder
    )


def sample(kind: type[NotificationContent], **given: Any) -> NotificationContent:
    """Return a content whose every variable can be recognised in the text."""
    kinds = get_type_hints(kind)
    values = {
        field.name: f"the {field.name}" if kinds[field.name] is str else WRITTEN_AT for field in fields(kind)
    }
    return kind(**{**values, **given})


def raw(mails: NotificationRenderer, content: NotificationContent, reader: Addressee = READER) -> bytes:
    """Return the mail's bytes."""
    return mails.render_mail("ntf_1", content, reader, written_at=WRITTEN_AT)[1].raw


def written(
    mails: NotificationRenderer, content: NotificationContent, reader: Addressee = READER
) -> EmailMessage:
    """Return the mail after a journey over the wire."""
    received = message_from_bytes(raw(mails, content, reader), policy=default)
    assert isinstance(received, EmailMessage)
    return received


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


def shown(kind: type[NotificationContent]) -> list[str]:
    """Return the variables whose values a reader sees unchanged."""
    hidden = {
        "application_id",
        "internship_id",
        "company_id",
        "expire_time",
        "erase_time",
        "apply_deadline",
        "start_time",
        "invitation_token",
    }
    return [field.name for field in fields(kind) if field.name not in hidden]


@pytest.mark.parametrize("kind", NOTIFICATION_CONTENTS, ids=lambda kind: kind.template)
def test_every_template_shows_all_its_variables_in_text_and_in_html(
    mails: NotificationRenderer, kind: type[NotificationContent]
) -> None:
    mail = written(mails, sample(kind))
    for text in (part(mail, "plain"), part(mail, "html")):
        for name in shown(kind):
            assert f"the {name}" in text
        assert f"https://internships.example{quote(sample(kind).path)}?lang=en" in text
        assert "Ada Lovelace" in text or not kind.named
        assert "{{" not in text
        assert "{%" not in text
    assert mail["Subject"]


@pytest.mark.parametrize(
    "kind", [kind for kind in NOTIFICATION_CONTENTS if kind.in_inbox], ids=lambda kind: kind.template
)
def test_every_inbox_entry_has_a_title_and_a_text_of_one_line(
    mails: NotificationRenderer, kind: type[NotificationContent]
) -> None:
    text = mails.render_inbox_entry(sample(kind), READER)
    assert text.title
    assert text.body
    assert "\n" not in text.title + text.body


@pytest.mark.parametrize("kind", NOTIFICATION_CONTENTS, ids=lambda kind: kind.template)
def test_what_people_typed_is_escaped_in_html(
    mails: NotificationRenderer, kind: type[NotificationContent]
) -> None:
    nasty = sample(kind, **dict.fromkeys(shown(kind), NASTY))
    html = part(written(mails, nasty, Addressee(email="a@b.example", name=NASTY)), "html")
    assert "<script>" not in html


@pytest.mark.parametrize(
    "name",
    [
        "Eve\r\nBcc: all@example.org",
        "Eve\nX: y",
        "Eve\u2028Bcc: z",
        "Eve\x00",
        "Eve\u202egnp.exe",
        '"Eve" <x>',
    ],
)
def test_a_name_cannot_add_a_header_or_a_line(mails: NotificationRenderer, name: str) -> None:
    content = NewApplicant(
        application_id="app_1", internship_title=name, student_name=name, student_headline=name
    )
    mail = written(mails, content, Addressee(email="a@b.example", name=name))
    assert mail["Bcc"] is None
    assert mail["X"] is None
    assert [address.addr_spec for address in mail["To"].addresses] == ["a@b.example"]
    assert "\nBcc" not in part(mail, "plain")
    assert not set("\x00\u2028\u202e") & set(part(mail, "plain") + mail["Subject"] + str(mail["To"]))


def test_a_long_title_is_cut_in_the_subject(mails: NotificationRenderer) -> None:
    mail = written(mails, sample(ApplicationReceived, company_name="x" * 5_000))
    assert len(mail["Subject"]) <= 140
    assert mail["Subject"].endswith("…")


def test_an_address_that_is_none_is_undeliverable(mails: NotificationRenderer) -> None:
    for address in ("not an address", "a@b\r\nBcc: c@d.example", ""):
        with pytest.raises(InvalidRecipientAddressError):
            mails.render_mail(
                "ntf_1", sample(ApplicationReceived), Addressee(email=address), written_at=WRITTEN_AT
            )


def test_the_same_notification_always_has_the_same_message_id(mails: NotificationRenderer) -> None:
    first, second = (written(mails, sample(ApplicationReceived)) for _ in range(2))
    assert first["Message-ID"] == second["Message-ID"] == "<ntf_1@ic.example>"
    assert first["Date"] == second["Date"]


def test_times_are_written_in_the_readers_time_zone(mails: NotificationRenderer) -> None:
    text = part(written(mails, sample(ApplicationOffer)), "plain")
    assert "Tuesday 3 March 2026, 14:05 (Europe/Berlin)" in text


@pytest.mark.parametrize("time_zone", ["", "Nowhere/At-All", "../../etc/passwd", "Europe"])
def test_an_unknown_time_zone_reads_as_utc(mails: NotificationRenderer, time_zone: str) -> None:
    reader = Addressee(email="a@b.example", time_zone=time_zone)
    assert "13:05 (UTC)" in part(written(mails, sample(ApplicationOffer), reader), "plain")


def test_an_offer_without_expiry_leaves_no_gap(mails: NotificationRenderer) -> None:
    text = part(written(mails, sample(ApplicationOffer, expire_time=None)), "plain")
    assert "until" not in text
    assert "\n\n\n" not in text


def test_a_mail_to_an_unproven_address_repeats_no_name(mails: NotificationRenderer) -> None:
    mail = written(
        mails, sample(VerificationCode), Addressee(email="a@b.example", name="Buy at evil.example")
    )
    assert "evil" not in part(mail, "plain") + part(mail, "html") + str(mail["To"]) + mail["Subject"]


def test_the_code_is_in_the_body_and_not_in_the_subject(mails: NotificationRenderer) -> None:
    mail = written(mails, sample(VerificationCode, code="493817"))
    assert "493817" in part(mail, "plain")
    assert "493817" not in mail["Subject"]


def test_templates_that_lack_a_file_or_use_an_unknown_variable_stop_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    (folder / "offer_declined/v1/body.html").unlink()
    (folder / "offer_accepted/v1/subject.txt").write_text("{{ salary }}")
    with pytest.raises(TemplateMismatchError) as misfit:
        make(folder)
    assert "offer_declined/v1/body.html is missing" in str(misfit.value)
    assert "offer_accepted/v1/subject.txt uses salary, which OfferAccepted does not have" in str(misfit.value)


def test_every_template_on_disk_belongs_to_a_content() -> None:
    on_disk = {f"{path.parent.name}/{path.name}" for path in TEMPLATES.glob("*/v*")}
    assert on_disk - {"layout/v1"} == {f"{kind.template}/v{kind.version}" for kind in NOTIFICATION_CONTENTS}
