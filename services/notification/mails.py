"""From content to words: the templates, and the mails and inbox texts that they make."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import Extends, Node

from services.notification.domain.contents import CONTENTS, Content
from services.notification.domain.recipients import Reader

TEMPLATES: Final = Path(__file__).parent / "templates"
SUPPLIED: Final = frozenset({"reader", "link"})
"""Variables that every template may use beside its own: whom it is for (may be empty) and where to go on."""

_MAIL_PARTS: Final = ("subject.txt", "body.txt", "body.html")
_INBOX_PARTS: Final = ("inbox.txt",)
_LONGEST_SUBJECT: Final = 140
_BREAKING: Final = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories: control characters, line and paragraph separators."""
_TURNING: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of writing around."""
_GAP: Final = re.compile(r"\n{3,}")


class TemplatesError(Exception):
    """The templates do not fit their contents; the message lists every misfit."""


class UndeliverableError(Exception):
    """The address is not one that a mail can be sent to."""


@dataclass(frozen=True)
class InboxText:
    """The words of an inbox entry."""

    title: str
    body: str


class Mails:
    """Writes mails and inbox texts; all templates are read and checked at the start.

    Raises:
        TemplatesError: a file is missing, or uses a variable that its content does not have.
    """

    def __init__(self, *, public_url: str, sender: str, sender_name: str, folder: Path = TEMPLATES) -> None:
        self._public_url = public_url.rstrip("/")
        self._from = Address(display_name=sender_name, addr_spec=sender)
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=select_autoescape(enabled_extensions=("html",)),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["when"] = _when
        if misfits := [misfit for kind in CONTENTS for misfit in _misfits(self._environment, folder, kind)]:
            raise TemplatesError("; ".join(misfits))

    def inbox_text(self, content: Content, reader: Reader) -> InboxText:
        """Title and text of the inbox entry."""
        return InboxText(
            title=self._subject(content, reader), body=_one_line(self._part("inbox.txt", content, reader))
        )

    def mail(self, mail_id: str, content: Content, reader: Reader, *, written_at: datetime) -> EmailMessage:
        """The whole mail. The same `mail_id` gives the same Message-ID, so that repeats can be told.

        Raises:
            UndeliverableError: no header can hold the reader's address.
        """
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<{mail_id}@{self._from.domain}>"
        message["Date"] = written_at
        message["From"] = self._from
        message["To"] = _address(reader if content.named else Reader(email=reader.email))
        message["Subject"] = self._subject(content, reader)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_GAP.sub("\n\n", self._part("body.txt", content, reader)))
        message.add_alternative(self._part("body.html", content, reader), subtype="html")
        return message

    def _subject(self, content: Content, reader: Reader) -> str:
        subject = _one_line(self._part("subject.txt", content, reader))
        return subject if len(subject) <= _LONGEST_SUBJECT else f"{subject[: _LONGEST_SUBJECT - 1]}…"

    def _part(self, part: str, content: Content, reader: Reader) -> str:
        template: Template = self._environment.get_template(_file(type(content), part))
        own = {field.name: _tidy(getattr(content, field.name)) for field in fields(content)}
        zone = _zone(reader.time_zone)
        return template.render(
            {
                name: value.astimezone(zone) if isinstance(value, datetime) else value
                for name, value in own.items()
            },
            reader=_tidy(reader.name) if content.named else "",
            link=f"{self._public_url}{content.path}",
        )


def _file(kind: type[Content], part: str) -> str:
    return f"{kind.template}/v{kind.version}/{part}"


def _misfits(environment: Environment, folder: Path, kind: type[Content]) -> Iterator[str]:
    allowed = SUPPLIED | {field.name for field in fields(kind)}
    for part in (*_MAIL_PARTS, *(_INBOX_PARTS if kind.in_inbox else ())):
        file = _file(kind, part)
        if not (folder / file).exists():
            yield f"{file} is missing"
            continue
        if unknown := _variables(environment, file) - allowed:
            yield f"{file} uses {', '.join(sorted(unknown))}, which {kind.__name__} does not have"


def _variables(environment: Environment, file: str) -> set[str]:
    loader = environment.loader
    assert loader is not None
    tree = environment.parse(loader.get_source(environment, file)[0])
    inherited = [_variables(environment, parent) for parent in _parents(tree)]
    return find_undeclared_variables(tree).union(*inherited)


def _parents(tree: Node) -> list[str]:
    return [extends.template.as_const() for extends in tree.find_all(Extends)]


def _tidy(value: Any) -> Any:
    """Text of others without what could break a line, a header or the direction of reading."""
    if not isinstance(value, str):
        return value
    unbroken = "".join(" " if unicodedata.category(each) in _BREAKING else each for each in value)
    return _one_line(_TURNING.sub("", unbroken))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _address(reader: Reader) -> Address:
    try:
        return Address(display_name=_tidy(reader.name), addr_spec=reader.email)
    except (HeaderParseError, ValueError, IndexError) as problem:
        raise UndeliverableError(f"not an address: {problem}") from problem


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _when(moment: datetime) -> str:
    """E.g. `Tuesday 3 March 2026, 14:05 (Europe/Berlin)`."""
    return f"{moment:%A} {moment.day} {moment:%B %Y, %H:%M} ({moment.tzinfo})"
