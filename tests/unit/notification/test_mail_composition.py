"""Whatever people type: a mail has our headers, one recipient, and says what it was meant to say."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, Final, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chassis.languages import LANGUAGES
from chassis.text import fold_for_comparison, is_blank, parse_email_address, to_single_line, truncate_text
from services.notification import rendering as mails_module
from services.notification.domain.contents import (
    NOTIFICATION_CONTENTS,
    NewApplicant,
    NotificationContent,
    VerificationCode,
)
from services.notification.domain.inbox import MailForm
from services.notification.domain.recipients import Addressee
from services.notification.mail_composition import (
    MAIL_HEADERS,
    EncodedMail,
    MailDraft,
    NamedAddress,
    compose_mail,
)
from services.notification.mail_verification import mail_differences
from services.notification.metrics import mails_composed
from services.notification.rendering import (
    MAX_NAME_CHARS,
    MAX_SUBJECT_CHARS,
    MailRenderingError,
    NotificationRenderer,
)

WRITTEN_AT: Final = datetime(2026, 3, 3, 13, 5, tzinfo=UTC)
WORD: Final = re.compile(r"=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=")
HOSTILE: Final = (
    "=?utf-8?q?Ann=0D=0AX-Injected=3A_yes=0D=0A=0D=0AHello?=",
    "=?utf-7?q?+2AA-?=",
    "=?utf-8?b?QmNjOiBhbGxAZXhhbXBsZS5vcmc=?=",
    "=?x?q?",
    "Sam, everyone@example.com",
    '"Sam" <everyone@example.com>, x',
    'a\\b"c\\',
    "Robin\r\nBcc: everyone@example.com",
    "Robin\x85X-A: b\u2028X-C: d",
    "nul\x00byte",
    "half \ud800 a pair",
    "Ada наука Łódź 東京 مرحبا and more words with blanks between",
    "x" * 900,
    "ж" * 900,
    "\u202elive\u2066\u202c",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 30,
    "Z\u0351\u036b\u0343" * 40,
    "(comment) group: a@b.example;",
    ".",
    "\u200b",
    "{{ 7*7 }} <script>",
    "undisclosed-recipients:;",
    "=20=0A_",
    " leading and trailing ",
    "\ufeffbyte order",
    "a\tb",
)
TYPED = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec=None), max_size=200),
    st.text(st.sampled_from('=?_ \r\n\t,;:<>@"\\()[]utf-8qbQB0DA.\u2028\x00\ud800жß🎓'), max_size=120),
)


@pytest.fixture(scope="module")
def mails() -> NotificationRenderer:
    return NotificationRenderer(
        public_url="https://internships.example", sender="hello@ic.example", sender_name="IC, Mail"
    )


def header_lines(raw: bytes) -> dict[str, str]:
    """Return the headers of a mail, each once, unfolded as RFC 5322 says; every line ends in CRLF."""
    head = raw.partition(b"\r\n\r\n")[0].decode()
    assert not re.search(r"(?<!\r)\n|\r(?!\n)", head)
    pairs = [line.partition(": ")[::2] for line in re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")]
    assert [name for name, _ in pairs] == list(MAIL_HEADERS)
    return dict(pairs)


def decoded(value: str) -> str:
    """Return what RFC 2047 makes of a value that is all encoded words, or has none."""
    words = WORD.findall(value)
    if not words:
        assert "=?" not in value
        return value
    assert WORD.sub("", value).strip() == ""
    return b"".join(base64.b64decode(word, validate=True) for word in words).decode()


def mailbox(value: str) -> tuple[str, str]:
    """Return name and address of the one mailbox in a value."""
    if not value.endswith(">"):
        return "", value
    name, _, address = value[:-1].rpartition(" <")
    if name.startswith('"'):
        assert re.fullmatch(r'"[A-Za-z0-9\'._ -]+"', name)
        return name[1:-1], address
    return decoded(name), address


def body(raw: bytes, kind: str) -> str:
    """Return one part of a mail, decoded."""
    boundary = re.search(rb'boundary="([^"]+)"', raw)
    assert boundary is not None
    parts = raw.partition(b"\r\n\r\n")[2].split(b"--" + boundary[1])
    assert [part[:4] for part in parts] == [b"", b"\r\nCo", b"\r\nCo", b"--\r\n"]
    head, _, content = parts[{"plain": 1, "html": 2}[kind]].partition(b"\r\n\r\n")
    assert f"text/{kind}".encode() in head
    return binascii.a2b_qp(content).decode()


def content_of(kind: type[NotificationContent], text: str) -> NotificationContent:
    kinds = get_type_hints(kind)
    return kind(**{each.name: text if kinds[each.name] is str else WRITTEN_AT for each in fields(kind)})


def counted(form: str) -> float:
    return float(mails_composed.labels(form)._value.get())


@pytest.mark.parametrize("kind", NOTIFICATION_CONTENTS, ids=lambda kind: kind.template)
@settings(max_examples=25, deadline=None)
@given(text=TYPED, name=TYPED, language=st.sampled_from(LANGUAGES))
@example(text=HOSTILE[0], name=HOSTILE[0], language="en")
@example(text=HOSTILE[1], name=HOSTILE[1], language="de")
@example(text=HOSTILE[4], name=HOSTILE[4], language="en")
def test_whatever_people_type_the_headers_are_ours_and_the_words_are_theirs(
    mails: NotificationRenderer, kind: type[NotificationContent], text: str, name: str, language: str
) -> None:
    content, reader = content_of(kind, text), Addressee(email="ada@example.org", name=name, locale=language)
    before = counted("whole")
    raw = mails.render_mail("ntf_1", content, reader, written_at=WRITTEN_AT)[1].raw
    assert counted("whole") == before + 1
    headers = header_lines(raw)
    shown = truncate_text(to_single_line(name), MAX_NAME_CHARS) if kind.named else ""
    assert mailbox(headers["To"]) == (shown, "ada@example.org")
    assert mailbox(headers["From"]) == ("IC, Mail", "hello@ic.example")
    if kind.in_inbox:
        assert decoded(headers["Subject"]) == mails.render_inbox_entry(content, reader).title
    assert headers["Message-ID"] == "<ntf_1@ic.example>"
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 78 + len("ada@example.org")


@settings(max_examples=300, deadline=None)
@given(subject=TYPED, to=TYPED, sender=TYPED, text=TYPED, html=TYPED)
def test_what_was_composed_reads_back_the_same_by_two_other_readers(
    subject: str, to: str, sender: str, text: str, html: str
) -> None:
    letter = MailDraft(
        mail_id="ntf_1",
        written_at=WRITTEN_AT,
        sender=NamedAddress(parse_email_address("hello@ic.example"), to_single_line(sender)),
        to=NamedAddress(parse_email_address("ada@münchen.de"), to_single_line(to)),
        subject=to_single_line(subject) or "-",
        text=f"{to_single_line(text)}\n\n{to_single_line(html)} \n.\n",
        html=f"<p>{to_single_line(html)}</p>\n",
    )
    mail = compose_mail(letter)
    assert mail_differences(mail, letter) == []
    headers = header_lines(mail.raw)
    assert decoded(headers["Subject"]) == letter.subject
    assert mailbox(headers["To"]) == (letter.to.name, "ada@xn--mnchen-3ya.de")
    assert mailbox(headers["From"]) == (letter.sender.name, "hello@ic.example")
    assert body(mail.raw, "plain").replace("\r\n", "\n") == letter.text
    assert body(mail.raw, "html").replace("\r\n", "\n") == letter.html


LETTER: Final = MailDraft(
    mail_id="ntf_1",
    written_at=WRITTEN_AT,
    sender=NamedAddress(parse_email_address("hello@ic.example"), "IC"),
    to=NamedAddress(parse_email_address("ada@example.org"), "Ada"),
    subject="News",
    text="Hello\n",
    html="<p>Hello</p>\n",
)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        (b"Subject: News", b"Subject: News\r\nX-Injected: yes", "other headers"),
        (b"Subject: News", b"Subject: News\nX-Injected: yes", "CRLF"),
        (b"Subject: News", b"Subject: =?utf-8?q?Other?=", "subject"),
        (b"To: ", b"To: eve@example.org, ", "recipient"),
        (b'"Ada" <ada@', b'"Ada" <eve@', "recipient"),
        (b'"Ada"', b'"Eve"', "recipient"),
        (b'"IC"', b'"Bank"', "sender"),
        (b"To: ", b"Bcc: eve@example.org\r\nTo: ", "other headers"),
        (b"\r\n\r\nHello", b"\r\n\r\nGoodbye", "text"),
        (b"<p>Hello", b"<p>Goodbye", "html"),
        (b"Hello", b"H\xe9llo", "ASCII"),
        (b"Hello", b"Hello" * 300, "too long"),
        (b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\n\r\n", "other headers"),
        (b'"=_ntf_1"', b'"=_ntf_2"', "text"),
    ],
)
def test_a_mail_that_says_something_else_is_seen_by_reading_it_back(
    before: bytes, after: bytes, difference: str
) -> None:
    mail = compose_mail(LETTER)
    assert before in mail.raw
    tampered = replace(mail, raw=mail.raw.replace(before, after, 1))
    assert any(difference in each for each in mail_differences(tampered, LETTER))


def spoiling(is_spoilt: Callable[[MailDraft], bool]) -> Callable[[MailDraft], EncodedMail]:
    """Return a composer that adds a header to the drafts that `is_spoilt` selects."""

    def spoilt(letter: MailDraft) -> EncodedMail:
        mail = compose_mail(letter)
        if not is_spoilt(letter):
            return mail
        return replace(mail, raw=mail.raw.replace(b"Subject:", b"X-Injected: yes\r\nSubject:"))

    return spoilt


APPLICANT: Final = NewApplicant(
    application_id="app_1", internship_title="Engines", student_name="Eve", student_headline="Hi"
)


def test_a_mail_whose_headers_read_back_wrong_goes_out_without_what_people_typed_in_them(
    mails: NotificationRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails_module, "compose_mail", spoiling(lambda letter: bool(letter.to.name)))
    before = counted("bare")
    reader = Addressee(email="olga@example.org", name="Olga")
    raw = mails.render_mail("ntf_1", APPLICANT, reader, written_at=WRITTEN_AT)[1].raw
    headers = header_lines(raw)
    assert headers["To"] == "olga@example.org"
    assert headers["Subject"] == "News from InternshipConnect"
    assert "Eve" in body(raw, "plain")
    assert counted("bare") == before + 1


def test_what_reads_back_wrong_is_found_before_the_mail_is_queued(
    mails: NotificationRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Addressee(email="olga@example.org", name="Olga")
    assert mails.render_mail("ntf_1", APPLICANT, reader, written_at=WRITTEN_AT)[0] is MailForm.WHOLE
    monkeypatch.setattr(mails_module, "compose_mail", spoiling(lambda letter: bool(letter.to.name)))
    assert mails.render_mail("ntf_1", APPLICANT, reader, written_at=WRITTEN_AT)[0] is MailForm.BARE
    monkeypatch.setattr(mails_module, "compose_mail", spoiling(lambda letter: "Eve" in letter.text))
    assert mails.render_mail("ntf_1", APPLICANT, reader, written_at=WRITTEN_AT)[0] is MailForm.GENERIC
    monkeypatch.setattr(mails_module, "compose_mail", spoiling(lambda letter: True))
    with pytest.raises(MailRenderingError):
        mails.render_mail("ntf_1", APPLICANT, reader, written_at=WRITTEN_AT)


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_people_type_reads_back_as_it_is_meant_before_the_mail_is_queued(
    mails: NotificationRenderer, typed: str
) -> None:
    content, reader = replace(APPLICANT, student_name=typed), Addressee(email="o@example.org", name=typed)
    assert mails.render_mail("ntf_1", content, reader, written_at=WRITTEN_AT)[0] is MailForm.WHOLE


def test_a_mail_that_was_queued_bare_goes_out_bare(mails: NotificationRenderer) -> None:
    reader = Addressee(email="olga@example.org", name="Olga")
    raw = mails.render_mail("ntf_1", APPLICANT, reader, written_at=WRITTEN_AT, fullest=MailForm.BARE)[1].raw
    assert header_lines(raw)["To"] == "olga@example.org"
    assert header_lines(raw)["Subject"] == "News from InternshipConnect"


def test_a_mail_whose_body_reads_back_wrong_says_only_where_to_look(
    mails: NotificationRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails_module, "compose_mail", spoiling(lambda letter: "Eve" in letter.text))
    _, mail = mails.render_mail(
        "ntf_1", APPLICANT, Addressee(email="o@example.org", locale="de"), written_at=WRITTEN_AT
    )
    raw = mail.raw
    assert header_lines(raw)["Subject"] == "Neues von InternshipConnect"
    assert "https://internships.example/app/applications/app_1?lang=de" in body(raw, "plain")
    assert "Eve" not in body(raw, "plain") + body(raw, "html")


def test_a_mail_that_never_reads_back_right_is_given_up_and_counted(
    mails: NotificationRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails_module, "compose_mail", spoiling(lambda letter: True))
    before = counted("none")
    with pytest.raises(MailRenderingError):
        mails.render_mail("ntf_1", APPLICANT, Addressee(email="o@example.org"), written_at=WRITTEN_AT)
    assert counted("none") == before + 1


def test_only_a_local_part_beyond_ascii_needs_smtputf8(mails: NotificationRenderer) -> None:
    content = VerificationCode(code="12345678", expire_time=WRITTEN_AT)

    def to(address: str) -> EncodedMail:
        return mails.render_mail("ntf_1", content, Addressee(email=address), written_at=WRITTEN_AT)[1]

    assert to("a@münchen.de").recipient == to("a@xn--mnchen-3ya.de").recipient == "a@xn--mnchen-3ya.de"
    assert not to("a@münchen.de").needs_smtputf8
    assert to("élodie@münchen.de").needs_smtputf8
    assert to("élodie@münchen.de").recipient == "élodie@xn--mnchen-3ya.de"
    assert mailbox(header_lines(to("élodie@münchen.de").raw)["To"]) == ("", "élodie@xn--mnchen-3ya.de")


def test_a_plain_subject_stays_readable_and_is_folded(mails: NotificationRenderer) -> None:
    letter: dict[str, Any] = {"subject": "Ada Lovelace applied for " + "a very long title of words " * 4}
    raw = compose_mail(replace(LETTER, subject=letter["subject"].strip())).raw
    assert b"Subject: Ada Lovelace applied for a very" in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 80


def test_a_subject_of_emoji_is_cut_between_and_not_within_them(mails: NotificationRenderer) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    content = replace(APPLICANT, student_name=family * 60)
    title = mails.render_inbox_entry(content, Addressee(email="o@example.org")).title
    assert len(title) <= MAX_SUBJECT_CHARS
    assert title.removesuffix("…").replace(family, "") == ""


@given(text=st.text(max_size=60))
def test_folding_a_text_twice_is_folding_it_once_and_blank_is_blank_on_one_line(text: str) -> None:
    assert fold_for_comparison(fold_for_comparison(text)) == fold_for_comparison(text)
    assert not is_blank(text) or is_blank(to_single_line(text))
