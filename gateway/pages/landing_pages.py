"""The pages that mails link to, and providers send people back to, until the web console replaces them.

Each is static: its script calls the JSON API, and keeps answers only while the page is open. A secret reaches
a page only behind the `#` of its address, which browsers send to nobody, and the script removes it from
there. A request for a page changes nothing, as mail scanners open links: all effects are calls of the API.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGES_ROOT: Final = "/app"
ASSETS_ROOT: Final = f"{PAGES_ROOT}/assets"
PAGE_LANGUAGES: Final = ("en", "de")
"""The first one is the default."""
LANDING_PAGE_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_TEMPLATE_FOLDER: Final = Path(__file__).parent
_HTML_CONTENT_TYPE: Final = "text/html; charset=utf-8"
_DIGEST_DIGITS: Final = 16
_ASSET_FILES: Final = (
    ("app.js", "text/javascript; charset=utf-8"),
    ("app.css", "text/css; charset=utf-8"),
)


@dataclass(frozen=True)
class PageAsset:
    """A file that pages use. Its path holds a digest of the content, so that caches may keep it for ever."""

    name: str
    content_type: str
    content: str

    @property
    def path(self) -> str:
        """The path of this content."""
        digest = hashlib.sha256(self.content.encode()).hexdigest()[:_DIGEST_DIGITS]
        return f"{ASSETS_ROOT}/{digest}/{self.name}"

    @property
    def path_regex(self) -> str:
        """The paths of this content, earlier and later ones: gateways are not all updated at once."""
        return f"{ASSETS_ROOT}/[0-9a-f]{{{_DIGEST_DIGITS}}}/{re.escape(self.name)}"


@dataclass(frozen=True)
class LandingPage:
    """A page in all languages; one with `has_id` serves every path one segment below its own."""

    name: str
    path: str
    has_id: bool = False


LANDING_PAGES: Final = (
    LandingPage("login", f"{PAGES_ROOT}/login"),
    LandingPage("provider", f"{PAGES_ROOT}/provider"),
    LandingPage("verify-email", f"{PAGES_ROOT}/verify-email"),
    LandingPage("reset-password", f"{PAGES_ROOT}/reset-password"),
    LandingPage("change-email", f"{PAGES_ROOT}/change-email"),
    LandingPage("sessions", f"{PAGES_ROOT}/sessions"),
    LandingPage("account-deletion", f"{PAGES_ROOT}/account-deletion"),
    LandingPage("application", f"{PAGES_ROOT}/applications", has_id=True),
    LandingPage("internship", f"{PAGES_ROOT}/internships", has_id=True),
    LandingPage("company", f"{PAGES_ROOT}/companies", has_id=True),
    LandingPage("invitation", f"{PAGES_ROOT}/invitation"),
)


def render_landing_page(page: LandingPage, language: str) -> str:
    """Return the page's HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    template = environment.get_template(f"{language}/{page.name}.html")
    assets = {asset.name: asset.path for asset in load_page_assets()}
    return template.render(page=page.name, language=language, root=PAGES_ROOT, assets=assets)


@cache
def load_page_assets() -> tuple[PageAsset, ...]:
    """Return the pages' assets."""
    return tuple(
        PageAsset(name, content_type, (_TEMPLATE_FOLDER / name).read_text())
        for name, content_type in _ASSET_FILES
    )


def render_in_all_languages(page: LandingPage) -> Iterator[tuple[str, str, str]]:
    """Yield language, content type and content of a page, once for each language."""
    for language in PAGE_LANGUAGES:
        yield language, _HTML_CONTENT_TYPE, render_landing_page(page, language)
