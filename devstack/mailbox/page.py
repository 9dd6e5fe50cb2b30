"""The mailbox's HTML pages: a list and a reading view."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from devstack.mailbox.message import ParsedMail
from devstack.mailbox.store import StoredMail

_templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


def render_list(mails: list[StoredMail], *, total: int, to: str) -> str:
    """Return the newest mails as a table."""
    return _templates.get_template("list.html").render(mails=mails, total=total, to=to)


def render_mail(mail: StoredMail, content: ParsedMail) -> str:
    """Return a page with one mail; its HTML part runs no script and opens no window."""
    return _templates.get_template("view.html").render(mail=mail, content=content)
