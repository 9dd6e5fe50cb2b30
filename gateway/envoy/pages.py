"""Routes of the pages that mails link to: by path, then by the language of link or browser."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.envoy.responses import header_value_option
from gateway.pages.landing_pages import (
    LANDING_PAGE_CSP,
    LANDING_PAGES,
    PAGE_LANGUAGES,
    LandingPage,
    load_page_assets,
    render_in_all_languages,
)

LANGUAGE_PARAMETER: Final = "lang"
_FOR_A_MINUTE: Final = "private, max-age=60"
_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"


def page_routes() -> Iterator[dict[str, Any]]:
    """Yield two routes for each asset, and several for each page: one for each source of the language.

    An asset's own path is kept for a year. At the path of another version, which a gateway of that version
    has named, there is this content, for a minute only.
    """
    for asset in load_page_assets():
        answer = (asset.content_type, asset.content)
        yield _direct_response_route({"path": asset.path}, *answer, _FOR_A_YEAR)
        yield _direct_response_route({"safe_regex": {"regex": asset.path_regex}}, *answer, _FOR_A_MINUTE)
    for page in LANDING_PAGES:
        answers = {
            language: (content_type, content)
            for language, content_type, content in render_in_all_languages(page)
        }
        for language, condition in _language_matchers():
            yield _direct_response_route(
                _page_path_match(page) | condition, *answers[language], _FOR_A_MINUTE, vary="accept-language"
            )


def _language_matchers() -> Iterator[tuple[str, dict[str, Any]]]:
    for language in PAGE_LANGUAGES:
        named = {"name": LANGUAGE_PARAMETER, "string_match": {"exact": language}}
        yield language, {"query_parameters": [named]}
    for language in PAGE_LANGUAGES[1:]:
        preferred = {"prefix": language, "ignore_case": True}
        yield language, {"headers": [{"name": "accept-language", "string_match": preferred}]}
    yield PAGE_LANGUAGES[0], {}


def _page_path_match(page: LandingPage) -> dict[str, Any]:
    return {"path_separated_prefix": page.path} if page.has_id else {"path": page.path}


def _direct_response_route(
    match: dict[str, Any], content_type: str, content: str, cache_control: str, *, vary: str = ""
) -> dict[str, Any]:
    return {
        "match": match,
        "direct_response": {"status": 200, "body": {"inline_string": content}},
        "response_headers_to_add": [
            header_value_option("content-type", content_type),
            header_value_option("content-security-policy", LANDING_PAGE_CSP),
            header_value_option("cache-control", cache_control),
            *([header_value_option("vary", vary)] if vary else []),
        ],
    }
