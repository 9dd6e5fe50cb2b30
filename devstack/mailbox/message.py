"""The readable parts of a mail, and its links."""

import html
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

TEXT_LINK = re.compile(r"https?://[^\s<>\"')\]]+")
HTML_LINK = re.compile(r"""href\s*=\s*["'](https?://[^"']+)["']""", re.IGNORECASE)


@dataclass(frozen=True)
class ParsedMail:
    """A parsed mail; a header that occurs several times has all its values."""

    headers: dict[str, list[str]]
    text: str
    html: str
    links: list[str]


def parse_mail(raw: bytes) -> ParsedMail:
    """Parse a mail; a missing part is empty."""
    message = message_from_bytes(raw, policy=policy.default)
    headers: dict[str, list[str]] = {}
    for name, value in message.items():
        headers.setdefault(name, []).append(str(value))
    text, rich = _body_text(message, "plain"), _body_text(message, "html")
    return ParsedMail(headers=headers, text=text, html=rich, links=_find_links(text, rich))


def _body_text(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    if part is None:
        return ""
    content = part.get_content()
    return content if isinstance(content, str) else ""


def _find_links(text: str, rich: str) -> list[str]:
    """Return every link once, in reading order; the full stop of a sentence is not part of one."""
    found = [link.rstrip(".,;:!?") for link in TEXT_LINK.findall(text)]
    found += [html.unescape(link) for link in HTML_LINK.findall(rich)]
    return list(dict.fromkeys(found))
