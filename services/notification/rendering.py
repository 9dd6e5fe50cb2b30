"""Renders contents into mails and inbox texts by templates."""

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

from chassis.languages import DEFAULT_LANGUAGE, LANGUAGES
from chassis.observability.logging import get_logger
from chassis.text import EmailAddressError, parse_email_address, to_single_line, truncate_text
from services.notification.domain.contents import NOTIFICATION_CONTENTS, NotificationContent
from services.notification.domain.inbox import MailForm
from services.notification.domain.recipients import Addressee
from services.notification.locales import (
    GENERIC_MAIL_TEXTS,
    format_time,
    language_for_locale,
    translate_phrase,
)
from services.notification.mail_composition import EncodedMail, MailDraft, NamedAddress, compose_mail
from services.notification.mail_verification import mail_differences
from services.notification.metrics import mails_composed

TEMPLATES: Final = Path(__file__).parent / "templates"
SHARED_VARIABLES: Final = frozenset({"reader", "link", "language"})
"""Variables that every template may use besides its own: the recipient's name (may be empty), the link, and
the language of the text."""
MAX_SUBJECT_CHARS: Final = 140
MAX_NAME_CHARS: Final = 80

_MAIL_PARTS: Final = ("subject.txt", "body.txt", "body.html")
_INBOX_PARTS: Final = ("inbox.txt",)
_BLANK_LINES: Final = re.compile(r"\n{3,}")

_log = get_logger()


class TemplateMismatchError(Exception):
    """The templates do not fit their contents; the message lists every mismatch."""


class InvalidRecipientAddressError(Exception):
    """The address is not a valid mail address."""


class MailRenderingError(Exception):
    """No form of the mail reads back as it was meant; another attempt will not help."""


@dataclass(frozen=True)
class InboxText:
    """The words of an inbox entry."""

    title: str
    body: str


class NotificationRenderer:
    """Renders mails and inbox texts; all templates are read and checked at the start.

    A file of another language than English is in a folder of that name beside the English one; English
    replaces a missing one.

    Raises:
        TemplateMismatchError: a file is missing, or uses a variable that its content does not have.
        EmailAddressError: the sender's address is invalid.
    """

    def __init__(self, *, public_url: str, sender: str, sender_name: str, folder: Path = TEMPLATES) -> None:
        self._public_url = public_url.rstrip("/")
        self._from = NamedAddress(parse_email_address(sender), to_single_line(sender_name))
        environment = _template_environment(folder)
        misfits: list[str] = []
        self._templates: dict[tuple[type[NotificationContent], str, str], Template] = {}
        for kind, part, language in _needed_templates():
            file = _template_file(folder, kind, part, language)
            if wrong := _template_mismatch(environment, folder, file, kind):
                misfits.append(wrong)
            else:
                self._templates[kind, part, language] = environment.get_template(file)
        if misfits:
            raise TemplateMismatchError("; ".join(dict.fromkeys(misfits)))

    def render_inbox_entry(self, content: NotificationContent, addressee: Addressee) -> InboxText:
        """Return title and text of the inbox entry, in the recipient's language."""
        variables = self._variables(content, addressee)
        body = to_single_line(self._part("inbox.txt", content, variables))
        return InboxText(title=self._subject(content, variables), body=body)

    def render_mail(
        self,
        mail_id: str,
        content: NotificationContent,
        addressee: Addressee,
        *,
        written_at: datetime,
        fullest: MailForm = MailForm.WHOLE,
    ) -> tuple[MailForm, EncodedMail]:
        """Return the mail in its fullest form, up to `fullest`, that reads back as it is meant.

        One `mail_id` gives one Message-ID, so that repeats can be recognised. Parts that a second parser
        reads differently are left out, in two steps.

        Raises:
            InvalidRecipientAddressError: the recipient's address is invalid.
            MailRenderingError: not even the last step can be read back.
        """
        whole = self._draft(mail_id, content, addressee, written_at)
        forms = list(MailForm)
        for form, draft in self._fallback_drafts(whole, content, addressee):
            if forms.index(form) < forms.index(fullest):
                continue
            mail, wrong = _compose_and_verify(draft)
            if mail is not None:
                mails_composed.labels(form).inc()
                return form, mail
            _log.warning("mail reads back otherwise", notification_id=mail_id, form=form, differences=wrong)
        mails_composed.labels("none").inc()
        raise MailRenderingError("no form of this mail reads back as it was meant")

    def _draft(
        self, mail_id: str, content: NotificationContent, addressee: Addressee, written_at: datetime
    ) -> MailDraft:
        variables = self._variables(content, addressee)
        return MailDraft(
            mail_id=mail_id,
            written_at=written_at,
            sender=self._from,
            to=_recipient_address(addressee, variables["reader"]),
            subject=self._subject(content, variables),
            text=_BLANK_LINES.sub("\n\n", self._part("body.txt", content, variables)),
            html=self._part("body.html", content, variables),
        )

    def _fallback_drafts(
        self, draft: MailDraft, content: NotificationContent, addressee: Addressee
    ) -> Iterator[tuple[MailForm, MailDraft]]:
        yield MailForm.WHOLE, draft
        language = language_for_locale(addressee.locale)
        subject, words = GENERIC_MAIL_TEXTS[language]
        bare = replace(draft, to=replace(draft.to, name=""), subject=subject)
        yield MailForm.BARE, bare
        link = self._link_url(content, language)
        yield (
            MailForm.GENERIC,
            replace(bare, text=f"{words}\n\n{link}\n", html=f'<p>{words} <a href="{link}">{link}</a></p>'),
        )

    def _subject(self, content: NotificationContent, variables: Mapping[str, Any]) -> str:
        return truncate_text(to_single_line(self._part("subject.txt", content, variables)), MAX_SUBJECT_CHARS)

    def _part(self, part: str, content: NotificationContent, variables: Mapping[str, Any]) -> str:
        return self._templates[type(content), part, variables["language"]].render(variables)

    def _variables(self, content: NotificationContent, addressee: Addressee) -> dict[str, Any]:
        zone, language = _time_zone(addressee.time_zone), language_for_locale(addressee.locale)
        own = {field.name: _template_value(getattr(content, field.name), zone) for field in fields(content)}
        return {
            **own,
            "reader": truncate_text(to_single_line(addressee.name), MAX_NAME_CHARS) if content.named else "",
            "link": self._link_url(content, language),
            "language": language,
        }

    def _link_url(self, content: NotificationContent, language: str) -> str:
        path = quote(content.path, errors="replace")
        fragment = quote(content.fragment, errors="replace")
        return f"{self._public_url}{path}?lang={language}{'#' if fragment else ''}{fragment}"


def _compose_and_verify(draft: MailDraft) -> tuple[EncodedMail | None, list[str]]:
    """Return the mail if it reads back as it was meant; else None and the differences."""
    try:
        mail = compose_mail(draft)
    except ValueError as problem:
        return None, [f"cannot be written: {type(problem).__name__}"]
    wrong = mail_differences(mail, draft)
    return (None, wrong) if wrong else (mail, [])


def _template_environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["when"] = _format_time_filter
    environment.filters["phrase"] = _translate_phrase_filter
    return environment


def _needed_templates() -> Iterator[tuple[type[NotificationContent], str, str]]:
    for kind in NOTIFICATION_CONTENTS:
        for part in (*_MAIL_PARTS, *(_INBOX_PARTS if kind.in_inbox else ())):
            for language in LANGUAGES:
                yield kind, part, language


def _template_file(folder: Path, kind: type[NotificationContent], part: str, language: str) -> str:
    place = f"{kind.template}/v{kind.version}"
    translated = f"{place}/{language}/{part}"
    return (
        translated if language != DEFAULT_LANGUAGE and (folder / translated).exists() else f"{place}/{part}"
    )


def _template_mismatch(
    environment: Environment, folder: Path, file: str, kind: type[NotificationContent]
) -> str:
    if not (folder / file).exists():
        return f"{file} is missing"
    allowed = SHARED_VARIABLES | {field.name for field in fields(kind)}
    unknown = _undeclared_variables(environment, file) - allowed
    return f"{file} uses {', '.join(sorted(unknown))}, which {kind.__name__} does not have" if unknown else ""


def _undeclared_variables(environment: Environment, file: str) -> set[str]:
    loader = environment.loader
    assert loader is not None
    tree = environment.parse(loader.get_source(environment, file)[0])
    inherited = [_undeclared_variables(environment, parent) for parent in _parent_templates(tree)]
    return find_undeclared_variables(tree).union(*inherited)


def _parent_templates(tree: Node) -> list[str]:
    return [extends.template.as_const() for extends in tree.find_all(Extends)]


def _template_value(value: Any, zone: tzinfo) -> Any:
    """Return a variable for a template: text on one line, times in the reader's zone."""
    if isinstance(value, datetime):
        return value.astimezone(zone)
    return to_single_line(value) if isinstance(value, str) else value


def _recipient_address(addressee: Addressee, name: str) -> NamedAddress:
    try:
        return NamedAddress(parse_email_address(addressee.email), name)
    except EmailAddressError as problem:
        raise InvalidRecipientAddressError(f"not an address: {problem}") from problem


def _time_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@pass_context
def _format_time_filter(context: Context, moment: datetime) -> str:
    return format_time(moment, context["language"])


@pass_context
def _translate_phrase_filter(context: Context, text: str) -> str:
    return translate_phrase(text, context["language"])
