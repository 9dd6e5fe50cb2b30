"""Composes a mail's bytes; users' text is encoded into headers and never parsed.

No header value passes through Python's `email` package, which decodes text that looks encoded.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from chassis.text import EmailAddress

MAIL_HEADERS: Final = (
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
)
"""All headers of every mail, in this order, each once."""
_CRLF: Final = "\r\n"
_MAX_WORD_BYTES: Final = 42
"""Bytes in an encoded word: after the longest header name, a line stays under 78 characters."""
_MAX_LINE_CHARS: Final = 70
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9'._-][A-Za-z0-9'._ -]{0,58}[A-Za-z0-9'._-]|[A-Za-z0-9]")
_PLAIN_TEXT: Final = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_ENCODED_WORD_START: Final = "=?"


@dataclass(frozen=True)
class NamedAddress:
    """An address and its display name, which may be empty."""

    address: EmailAddress
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class MailDraft:
    """The parts of a mail; `text` and `html` have lines that end in a line feed, the others are one line."""

    mail_id: str
    written_at: datetime
    sender: NamedAddress
    to: NamedAddress
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class EncodedMail:
    """A mail for the mail server: `sender` and `recipient` are the envelope's."""

    sender: str
    recipient: str
    raw: bytes
    needs_smtputf8: bool = False


def compose_mail(draft: MailDraft) -> EncodedMail:
    """Return the mail. One `mail_id` gives one Message-ID. Raises UnicodeError for lone surrogates."""
    boundary = f"=_{draft.mail_id}"
    values = (
        f"<{draft.mail_id}@{draft.sender.address.domain}>",
        format_datetime(draft.written_at),
        _address_header(draft.sender),
        _address_header(draft.to),
        _text_header(draft.subject),
        "auto-generated",
        "1.0",
        f'multipart/alternative; boundary="{boundary}"',
    )
    head = _CRLF.join(f"{name}: {value}" for name, value in zip(MAIL_HEADERS, values, strict=True))
    parts = b"".join(
        f"--{boundary}{_CRLF}".encode() + _body_part(kind, content)
        for kind, content in (("plain", draft.text), ("html", draft.html))
    )
    address = draft.to.address
    return EncodedMail(
        draft.sender.address.address,
        address.address,
        f"{head}{_CRLF}{_CRLF}".encode() + parts + f"--{boundary}--{_CRLF}".encode(),
        needs_smtputf8=address.needs_smtputf8 or draft.sender.address.needs_smtputf8,
    )


def crlf_text(text: str) -> str:
    """Return the text with CRLF after each line but the last."""
    return text.rstrip("\n").replace("\n", _CRLF)


def _body_part(kind: str, content: str) -> bytes:
    head = f'Content-Type: text/{kind}; charset="utf-8"{_CRLF}Content-Transfer-Encoding: quoted-printable'
    # For lines that end in CRLF it would choose CRLF, but LF for a single line.
    body = binascii.b2a_qp(content.rstrip("\n").encode(), istext=True).replace(b"\n", b"\r\n")
    return f"{head}{_CRLF}{_CRLF}".encode() + body + _CRLF.encode()


def _address_header(mailbox: NamedAddress) -> str:
    if not mailbox.name:
        return mailbox.address.address
    is_plain = _PLAIN_NAME.fullmatch(mailbox.name) is not None
    name = f'"{mailbox.name}"' if is_plain else _encode_words(mailbox.name)
    address = f"<{mailbox.address.address}>"
    return f"{name} {address}" if len(name) + len(address) < _MAX_LINE_CHARS else f"{name}{_CRLF} {address}"


def _text_header(text: str) -> str:
    if _ENCODED_WORD_START in text or _PLAIN_TEXT.fullmatch(text) is None:
        return _encode_words(text)
    return f"{_CRLF} ".join(_fold_lines(text))


def _fold_lines(text: str) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= _MAX_LINE_CHARS:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _encode_words(text: str) -> str:
    """Return the text as encoded words (RFC 2047), blanks included: those between two words are dropped."""
    words = (binascii.b2a_base64(piece, newline=False).decode() for piece in _split_bytes(text.encode()))
    return f"{_CRLF} ".join(f"=?utf-8?b?{word}?=" for word in words)


def _split_bytes(text: bytes) -> Iterator[bytes]:
    """Yield the text in pieces of at most `_MAX_WORD_BYTES`, none of which ends within a character."""
    start = 0
    while start < len(text):
        end = min(start + _MAX_WORD_BYTES, len(text))
        while end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        yield text[start:end]
        start = end
