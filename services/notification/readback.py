"""Reads a composed mail with a parser that shares nothing with what wrote it, and compares.

The parser is Rust's `mailparse`. It forgives a lot, so the form of the lines is looked at here first.
"""

import re
from collections.abc import Iterator
from typing import Final

from fast_mail_parser import ParseError, PyMail, parse_email

from services.notification.composing import HEADERS, Letter, Mail, Mailbox, lines_of

_NAME: Final = re.compile(rb"([A-Za-z-]+): ")
MAX_LINE: Final = 998
"""Bytes in a line without its end, by RFC 5322."""


def differences(mail: Mail, letter: Letter) -> list[str]:
    """What a reader would see otherwise than the letter means it; empty when the mail is right."""
    if wrong := list(_wrong_lines(mail)):
        return wrong
    try:
        return list(_wrong_values(parse_email(mail.raw), letter))
    except (ParseError, UnicodeError) as problem:
        return [f"cannot be parsed: {type(problem).__name__}"]


def _wrong_lines(mail: Mail) -> Iterator[str]:
    head, _, body = mail.raw.partition(b"\r\n\r\n")
    joined = mail.raw.replace(b"\r\n", b"")
    if any(stray in joined for stray in (b"\r", b"\n", b"\x00")):
        yield "a line ends in something else than CRLF"
    if max(map(len, mail.raw.split(b"\r\n"))) > MAX_LINE:
        yield "a line is too long"
    if not body.isascii() or not (mail.needs_smtputf8 or head.isascii()):
        yield "not all is ASCII"
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    names = [found[1].decode() if (found := _NAME.match(line)) else "" for line in lines]
    if names != list(HEADERS):
        yield "other headers than ours"


def _wrong_values(read: PyMail, letter: Letter) -> Iterator[str]:
    senders = [read.from_] if read.from_ else []
    pairs = {
        "headers": ({name: len(values) for name, values in read.headers.items()}, dict.fromkeys(HEADERS, 1)),
        "sender": ([(each.display_name, each.address) for each in senders], [_meant(letter.sender)]),
        "recipient": ([(each.display_name, each.address) for each in read.to], [_meant(letter.to)]),
        "copies": ([*read.cc, *read.bcc, *read.reply_to, *read.attachments], []),
        "subject": (read.subject, letter.subject),
        "text": (read.text_plain, [lines_of(letter.text)]),
        "html": (read.text_html, [lines_of(letter.html)]),
    }
    for name, (found, meant) in pairs.items():
        if found != meant:
            yield f"another {name} than was meant"


def _meant(mailbox: Mailbox) -> tuple[str | None, str]:
    return mailbox.name or None, mailbox.address.spec
