"""Parses a composed mail with an independent parser, and compares it with its draft.

The parser is Rust's `mailparse`. It tolerates many errors, so the form of the lines is checked here first.
"""

import re
from collections.abc import Iterator
from typing import Final

from fast_mail_parser import ParseError, PyMail, parse_email

from services.notification.mail_composition import (
    MAIL_HEADERS,
    EncodedMail,
    MailDraft,
    NamedAddress,
    crlf_text,
)

_HEADER_NAME: Final = re.compile(rb"([A-Za-z-]+): ")
MAX_LINE_BYTES: Final = 998
"""Bytes in a line without its end, by RFC 5322."""


def mail_differences(mail: EncodedMail, letter: MailDraft) -> list[str]:
    """Return the visible differences between a mail and its draft `letter`; empty without any."""
    if wrong := list(_line_faults(mail)):
        return wrong
    try:
        return list(_value_faults(parse_email(mail.raw), letter))
    except (ParseError, UnicodeError) as problem:
        return [f"cannot be parsed: {type(problem).__name__}"]


def _line_faults(mail: EncodedMail) -> Iterator[str]:
    head, _, body = mail.raw.partition(b"\r\n\r\n")
    joined = mail.raw.replace(b"\r\n", b"")
    if any(stray in joined for stray in (b"\r", b"\n", b"\x00")):
        yield "a line ends in something else than CRLF"
    if max(map(len, mail.raw.split(b"\r\n"))) > MAX_LINE_BYTES:
        yield "a line is too long"
    if not body.isascii() or not (mail.needs_smtputf8 or head.isascii()):
        yield "not all is ASCII"
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    names = [found[1].decode() if (found := _HEADER_NAME.match(line)) else "" for line in lines]
    if names != list(MAIL_HEADERS):
        yield "other headers than ours"


def _value_faults(read: PyMail, letter: MailDraft) -> Iterator[str]:
    senders = [read.from_] if read.from_ else []
    pairs = {
        "headers": (
            {name: len(values) for name, values in read.headers.items()},
            dict.fromkeys(MAIL_HEADERS, 1),
        ),
        "sender": (
            [(each.display_name, each.address) for each in senders],
            [_expected_address(letter.sender)],
        ),
        "recipient": (
            [(each.display_name, each.address) for each in read.to],
            [_expected_address(letter.to)],
        ),
        "copies": ([*read.cc, *read.bcc, *read.reply_to, *read.attachments], []),
        "subject": (read.subject, letter.subject),
        "text": (read.text_plain, [crlf_text(letter.text)]),
        "html": (read.text_html, [crlf_text(letter.html)]),
    }
    for name, (found, meant) in pairs.items():
        if found != meant:
            yield f"another {name} than was meant"


def _expected_address(mailbox: NamedAddress) -> tuple[str | None, str]:
    return mailbox.name or None, mailbox.address.address
