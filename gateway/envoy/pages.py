"""Routes of the pages that links in mails lead to: by path, then by the language of link or browser."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.envoy.responses import header
from gateway.pages import LANGUAGES, PAGES, POLICY, Page, assets, rendered

LANGUAGE_PARAMETER: Final = "lang"
_KEPT: Final = ("cache-control", "private, max-age=60")


def page_routes() -> Iterator[dict[str, Any]]:
    """One for each asset, and for each page one for each way to ask for a language."""
    for path, content_type, content in assets():
        yield _answer({"path": path}, content_type, content)
    for page in PAGES:
        answers = {language: (content_type, content) for language, content_type, content in rendered(page)}
        for language, condition in _ways_to_ask():
            yield _answer(_path_of(page) | condition, *answers[language])


def _ways_to_ask() -> Iterator[tuple[str, dict[str, Any]]]:
    for language in LANGUAGES:
        named = {"name": LANGUAGE_PARAMETER, "string_match": {"exact": language}}
        yield language, {"query_parameters": [named]}
    for language in LANGUAGES[1:]:
        preferred = {"prefix": language, "ignore_case": True}
        yield language, {"headers": [{"name": "accept-language", "string_match": preferred}]}
    yield LANGUAGES[0], {}


def _path_of(page: Page) -> dict[str, Any]:
    return {"path_separated_prefix": page.path} if page.has_id else {"path": page.path}


def _answer(match: dict[str, Any], content_type: str, content: str) -> dict[str, Any]:
    return {
        "match": match,
        "direct_response": {"status": 200, "body": {"inline_string": content}},
        "response_headers_to_add": [
            header("content-type", content_type),
            header("content-security-policy", POLICY),
            header("vary", "accept-language"),
            header(*_KEPT),
        ],
    }
