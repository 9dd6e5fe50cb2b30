"""The pages that links in mails lead to, until the web console takes their places.

Each is static: a script of ours calls the JSON API from it, and holds what it gets only while the page is
open. No page takes a secret from its address, and none puts one there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT: Final = "/app"
LANGUAGES: Final = ("en", "de")
"""The first one is for whom none of the others suits."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_FOLDER: Final = Path(__file__).parent
_HTML: Final = "text/html; charset=utf-8"
_ASSETS: Final = (
    ("app.js", "text/javascript; charset=utf-8"),
    ("app.css", "text/css; charset=utf-8"),
)


@dataclass(frozen=True)
class Page:
    """A page in all languages; one with `has_id` stands at every path one step below its own."""

    name: str
    path: str
    has_id: bool = False


PAGES: Final = (
    Page("login", f"{ROOT}/login"),
    Page("verify-email", f"{ROOT}/verify-email"),
    Page("application", f"{ROOT}/applications", has_id=True),
    Page("internship", f"{ROOT}/internships", has_id=True),
    Page("company", f"{ROOT}/companies", has_id=True),
)


def render(page: Page, language: str) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template(f"{language}/{page.name}.html")
    return template.render(page=page.name, language=language, root=ROOT)


def assets() -> Iterator[tuple[str, str, str]]:
    """Path, content type and content of what the pages load."""
    for name, content_type in _ASSETS:
        yield f"{ROOT}/{name}", content_type, (_FOLDER / name).read_text()


def rendered(page: Page) -> Iterator[tuple[str, str, str]]:
    """Language, content type and content of a page, once for each language."""
    for language in LANGUAGES:
        yield language, _HTML, render(page, language)
