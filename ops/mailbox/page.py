"""The mailbox for people: a list and a reading view."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from ops.mailbox.message import Content
from ops.mailbox.store import Envelope

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


def render_list(mails: list[Envelope], *, total: int, to: str) -> str:
    """The newest mails as a table."""
    return _pages.get_template("list.html").render(mails=mails, total=total, to=to)


def render_mail(mail: Envelope, content: Content) -> str:
    """One mail, to read; its HTML part runs no script and opens no window."""
    return _pages.get_template("view.html").render(mail=mail, content=content)
