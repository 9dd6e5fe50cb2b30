"""From content to words: the templates, and the mails and inbox texts that they make."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context, select_autoescape
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import Extends, Node
from jinja2.runtime import Context

from chassis.observability.logging import get_logger
from chassis.text import AddressError, one_line, parse_address, shorten
from services.notification.composing import Letter, Mail, Mailbox, compose
from services.notification.domain.contents import CONTENTS, Content
from services.notification.domain.recipients import Reader
from services.notification.locales import DEFAULT, LANGUAGES, NEWS, language_of, phrase, time_text
from services.notification.metrics import mails_composed
from services.notification.readback import differences

TEMPLATES: Final = Path(__file__).parent / "templates"
SUPPLIED: Final = frozenset({"reader", "link", "language"})
"""Variables that every template may use beside its own: whom it is for (may be empty), where to go on, and
the language that it is in."""
MAX_SUBJECT: Final = 140
MAX_NAME: Final = 80

_MAIL_PARTS: Final = ("subject.txt", "body.txt", "body.html")
_INBOX_PARTS: Final = ("inbox.txt",)
_GAP: Final = re.compile(r"\n{3,}")

_log = get_logger()


class TemplatesError(Exception):
    """The templates do not fit their contents; the message lists every misfit."""


class UndeliverableError(Exception):
    """The address is not one that a mail can be sent to."""


class UnwritableError(Exception):
    """No form of the mail reads back as it was meant; another try will not help."""


@dataclass(frozen=True)
class InboxText:
    """The words of an inbox entry."""

    title: str
    body: str


class Mails:
    """Writes mails and inbox texts; all templates are read and checked at the start.

    A file of another language than English is in a folder of that name beside the English one; where it is
    missing, English takes its place.

    Raises:
        TemplatesError: a file is missing, or uses a variable that its content does not have.
        AddressError: the sender's address is none.
    """

    def __init__(self, *, public_url: str, sender: str, sender_name: str, folder: Path = TEMPLATES) -> None:
        self._public_url = public_url.rstrip("/")
        self._from = Mailbox(parse_address(sender), one_line(sender_name))
        environment = _environment(folder)
        misfits: list[str] = []
        self._templates: dict[tuple[type[Content], str, str], Template] = {}
        for kind, part, language in _wanted():
            file = _file(folder, kind, part, language)
            if wrong := _misfit(environment, folder, file, kind):
                misfits.append(wrong)
            else:
                self._templates[kind, part, language] = environment.get_template(file)
        if misfits:
            raise TemplatesError("; ".join(dict.fromkeys(misfits)))

    def inbox_text(self, content: Content, reader: Reader) -> InboxText:
        """Title and text of the inbox entry, in the reader's language."""
        variables = self._variables(content, reader)
        body = one_line(self._part("inbox.txt", content, variables))
        return InboxText(title=self._subject(content, variables), body=body)

    def mail(self, mail_id: str, content: Content, reader: Reader, *, written_at: datetime) -> Mail:
        """The whole mail. The same `mail_id` gives the same Message-ID, so that repeats can be told.

        What a second parser reads otherwise than it was meant is left out, in two steps.

        Raises:
            UndeliverableError: the reader's address is none.
            UnwritableError: not even the last step can be read back.
        """
        for form, letter in self._forms(self._letter(mail_id, content, reader, written_at), content, reader):
            mail, wrong = _composed(letter)
            if mail is not None:
                mails_composed.labels(form).inc()
                return mail
            _log.warning("mail reads back otherwise", notification_id=mail_id, form=form, differences=wrong)
        mails_composed.labels("none").inc()
        raise UnwritableError("no form of this mail reads back as it was meant")

    def _letter(self, mail_id: str, content: Content, reader: Reader, written_at: datetime) -> Letter:
        variables = self._variables(content, reader)
        return Letter(
            mail_id=mail_id,
            written_at=written_at,
            sender=self._from,
            to=_mailbox(reader, variables["reader"]),
            subject=self._subject(content, variables),
            text=_GAP.sub("\n\n", self._part("body.txt", content, variables)),
            html=self._part("body.html", content, variables),
        )

    def _forms(self, letter: Letter, content: Content, reader: Reader) -> Iterator[tuple[str, Letter]]:
        yield "whole", letter
        language = language_of(reader.locale)
        subject, words = NEWS[language]
        bare = replace(letter, to=replace(letter.to, name=""), subject=subject)
        yield "bare", bare
        link = self._link(content, language)
        yield (
            "generic",
            replace(bare, text=f"{words}\n\n{link}\n", html=f'<p>{words} <a href="{link}">{link}</a></p>'),
        )

    def _subject(self, content: Content, variables: Mapping[str, Any]) -> str:
        return shorten(one_line(self._part("subject.txt", content, variables)), MAX_SUBJECT)

    def _part(self, part: str, content: Content, variables: Mapping[str, Any]) -> str:
        return self._templates[type(content), part, variables["language"]].render(variables)

    def _variables(self, content: Content, reader: Reader) -> dict[str, Any]:
        zone, language = _zone(reader.time_zone), language_of(reader.locale)
        own = {field.name: _shown(getattr(content, field.name), zone) for field in fields(content)}
        return {
            **own,
            "reader": shorten(one_line(reader.name), MAX_NAME) if content.named else "",
            "link": self._link(content, language),
            "language": language,
        }

    def _link(self, content: Content, language: str) -> str:
        path = quote(content.path, errors="replace")
        return f"{self._public_url}{path}?lang={language}"


def _composed(letter: Letter) -> tuple[Mail | None, list[str]]:
    """The mail if it reads back as it was meant; else what differs."""
    try:
        mail = compose(letter)
    except ValueError as problem:
        return None, [f"cannot be written: {type(problem).__name__}"]
    wrong = differences(mail, letter)
    return (None, wrong) if wrong else (mail, [])


def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["when"] = _when
    environment.filters["phrase"] = _phrase
    return environment


def _wanted() -> Iterator[tuple[type[Content], str, str]]:
    for kind in CONTENTS:
        for part in (*_MAIL_PARTS, *(_INBOX_PARTS if kind.in_inbox else ())):
            for language in LANGUAGES:
                yield kind, part, language


def _file(folder: Path, kind: type[Content], part: str, language: str) -> str:
    place = f"{kind.template}/v{kind.version}"
    translated = f"{place}/{language}/{part}"
    return translated if language != DEFAULT and (folder / translated).exists() else f"{place}/{part}"


def _misfit(environment: Environment, folder: Path, file: str, kind: type[Content]) -> str:
    if not (folder / file).exists():
        return f"{file} is missing"
    allowed = SUPPLIED | {field.name for field in fields(kind)}
    unknown = _variables(environment, file) - allowed
    return f"{file} uses {', '.join(sorted(unknown))}, which {kind.__name__} does not have" if unknown else ""


def _variables(environment: Environment, file: str) -> set[str]:
    loader = environment.loader
    assert loader is not None
    tree = environment.parse(loader.get_source(environment, file)[0])
    inherited = [_variables(environment, parent) for parent in _parents(tree)]
    return find_undeclared_variables(tree).union(*inherited)


def _parents(tree: Node) -> list[str]:
    return [extends.template.as_const() for extends in tree.find_all(Extends)]


def _shown(value: Any, zone: tzinfo) -> Any:
    """A variable as a template gets it: text on one line, times in the reader's zone."""
    if isinstance(value, datetime):
        return value.astimezone(zone)
    return one_line(value) if isinstance(value, str) else value


def _mailbox(reader: Reader, name: str) -> Mailbox:
    try:
        return Mailbox(parse_address(reader.email), name)
    except AddressError as problem:
        raise UndeliverableError(f"not an address: {problem}") from problem


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@pass_context
def _when(context: Context, moment: datetime) -> str:
    return time_text(moment, context["language"])


@pass_context
def _phrase(context: Context, text: str) -> str:
    return phrase(text, context["language"])
