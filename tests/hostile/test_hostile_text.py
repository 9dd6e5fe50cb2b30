"""Text that would be script, operator, template or header: it comes back as it was (NFC), or is refused."""

import html
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import httpx
import pytest

from chassis.text import is_blank, normalize_nfc
from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from tests.hostile.callers import OWNER, STUDENT, CallerDirectory, error_reason
from tests.patient_requests import send_until_admitted
from tests.stack import StackHandle

TEXTS: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE users; --",
    '{"$gt": ""}',
    "$where",
    "$ne.a.b",
    "{{7*7}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "${7*7}",
    "#{7*7}",
    "%0d%0aBcc: everyone@example.com",
    "=cmd|' /C calc'!A0",
    "../../../../etc/passwd",
    "\u202egnp.exe",
    "zero\u200bwidth\u2060joined\ufeff",
    "zero\u200bwidth\u2060joined",
    "\u0646\u0627\u0645\u0647\u200c\u0647\u0627",
    "p\u0430ypal",
    "Z\u0351\u036b\u0343a\u0369\u0357l\u0334g\u0310o\u0329",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a\u2028line\u2029paragraph",
    "\ufdfa" * 20,
    "(a+)+$",
    "\\x00\\u0000",
)
BREAKS_OR_TURNS_LINES: Final = (
    "Robin\r\nBcc: everyone@example.com",
    "Robin\nX-Injected: yes",
    "nul\x00byte",
    "bell\x07",
    "escape\x1b[31m",
    "Robin\u2028Bcc: everyone@example.com",
    "\u202enibor",
    "\u2067Robin\u2069",
)
MAIL_HEADERS: Final = {
    "message-id",
    "date",
    "from",
    "to",
    "subject",
    "auto-submitted",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "received",
    "x-peer",
    "x-mailfrom",
    "x-rcptto",
}
"""All that a mail of ours has, and what a mailbox may add."""


@pytest.mark.parametrize("text", TEXTS)
def test_it_comes_back_from_a_profile_as_it_was(cast: CallerDirectory, text: str) -> None:
    profile = {
        "headline": text,
        "summary": text,
        "education": [{"institution": text}],
        "skills": [{"name": text[:60]}],
    }
    answer = cast.ask(cast[STUDENT], "PATCH", "/api/v1/users/me", json={"name": text, "student": profile})
    me = must_be_kept_or_refused(answer)
    if me:
        read = cast.must(STUDENT, "GET", "/api/v1/users/me")
        kept = normalize_nfc(text)
        assert (read["name"], read["student"]["headline"], read["student"]["summary"]) == (kept, kept, kept)
        assert read["student"]["education"][0]["institution"] == kept


@pytest.mark.parametrize("text", TEXTS)
def test_it_comes_back_from_a_listing_as_it_was(cast: CallerDirectory, text: str) -> None:
    fields: dict[str, str | list[str]] = {
        "title": text,
        "description": text,
        "field": text[:60],
        "externalId": text,
        "qualifications": [text],
    }
    draft = must_be_kept_or_refused(
        cast.ask(cast[OWNER], "POST", "/api/v1/internships", json=sample_listing("text") | fields)
    )
    if draft:
        read = cast.must(OWNER, "GET", f"/api/v1/internships/{draft['id']}")
        assert {name: read[name] for name in fields} == {
            name: [normalize_nfc(one) for one in value] if isinstance(value, list) else normalize_nfc(value)
            for name, value in fields.items()
        }


def must_be_kept_or_refused(answer: httpx.Response) -> Json | None:
    body: Json = answer.json()
    if answer.is_success:
        return body
    assert (answer.status_code, error_reason(body)) == (400, "INVALID_FIELD"), answer.text
    return None


@pytest.mark.parametrize("text", BREAKS_OR_TURNS_LINES)
def test_what_would_break_or_turn_a_line_is_no_name_and_no_title(cast: CallerDirectory, text: str) -> None:
    for label, method, path, body in (
        (STUDENT, "PATCH", "/api/v1/users/me", {"name": text}),
        (OWNER, "PATCH", "/api/v1/companies/me", {"name": text}),
        (OWNER, "POST", "/api/v1/internships", sample_listing("x") | {"title": text}),
        (STUDENT, "POST", "/api/v1/auth/register", registration(name=text)),
    ):
        answer = cast.ask(cast[label], method, path, json=body)
        assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), (
            path,
            answer.text,
        )


def registration(**changes: Any) -> Json:
    email = f"text.{secrets.token_hex(6)}@example.com"
    return {
        "email": email,
        "password": JOURNEY_PASSWORD,
        "kind": "ACCOUNT_KIND_STUDENT",
        "name": "Sam",
    } | changes


@pytest.mark.parametrize("text", [*TEXTS, "*", ".*", "[", "\\", '"', "/", "~", "%", "a" * 200, " ", "\u0130"])
def test_searching_for_it_is_answered(cast: CallerDirectory, text: str) -> None:
    # A skill that shows nothing is none.
    skills = {} if is_blank(text[:60]) else {"skills": text[:60]}
    for label, path, parameters in (
        (STUDENT, "/api/v1/internships", {"q": text, "withFacets": "true"}),
        (STUDENT, "/api/v1/internships", {"city": text[:120], "field": text[:60], **skills}),
        (OWNER, "/api/v1/students/search", {"q": text, "city": text[:120], **skills}),
    ):
        answer = send_until_admitted(partial(cast.ask, cast[label], "GET", path, params=parameters))
        assert answer.status_code == 200, (parameters, answer.text)


REFUSED_QUERIES: Final = {"UNKNOWN_PARAMETER", "INVALID_FIELD", "INVALID_PAGE_TOKEN", "MALFORMED_REQUEST"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"q[$gt]": ""},
        {"q[$where]": "sleep(5000)"},
        {"pageSize[$gt]": "1"},
        {"q.$ne": "1"},
        {"pageToken": "eyIkZ3QiOiIifQ=="},
        {"pageToken": "." * 900},
    ],
    ids=str,
)
def test_operators_in_a_query_are_refused(cast: CallerDirectory, parameters: dict[str, str]) -> None:
    student, path = cast[STUDENT], "/api/v1/internships"
    answer = send_until_admitted(lambda: cast.ask(student, "GET", path, params=parameters))
    assert answer.status_code == 400, answer.text
    assert error_reason(answer.json()) in REFUSED_QUERIES


@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, ["a@b.co"], {"$regex": ".*"}], ids=str)
def test_an_operator_in_the_place_of_a_text_is_refused(cast: CallerDirectory, value: Any) -> None:
    for body in (
        {"email": value, "password": JOURNEY_PASSWORD},
        {"email": "a@example.com", "password": value},
    ):
        answer = cast.ask(cast["nobody"], "POST", "/api/v1/auth/login", json=body)
        assert answer.status_code == 400, answer.text
        assert error_reason(answer.json()) in {"INVALID_FIELD", "MALFORMED_REQUEST"}


@pytest.fixture(scope="module")
def marker() -> str:
    return f"quokka{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def hostile_listing(cast: CallerDirectory, marker: str) -> Json:
    """Return an open listing with script in every field that a search shows."""
    script = f"<script>alert('{marker}')</script> & \"{marker}\" <em>not ours</em>"
    body = sample_listing(marker) | {
        "title": script[:160],
        "description": script * 5,
        "questions": [],
        "openings": 5,
    }
    draft = cast.must(OWNER, "POST", "/api/v1/internships", json=body)
    return cast.must(OWNER, "POST", f"/api/v1/internships/{draft['id']}:publish", json={})


def test_a_search_marks_matches_and_nothing_else(
    cast: CallerDirectory, hostile_listing: Json, marker: str
) -> None:
    def hit() -> Json | None:
        found = cast.must(STUDENT, "GET", "/api/v1/internships", params={"q": marker})["data"]
        return next((one for one in found if one["id"] == hostile_listing["id"]), None)

    found = wait_for_result(hit, "the listing in the search results")
    for shown in (found["titleHighlight"], found["snippet"]):
        assert marker in shown
        bare = shown.replace("<em>", "").replace("</em>", "")
        assert not set("<>\"'") & set(bare), shown
    assert "<em>not ours" not in found["titleHighlight"]


NAMES: Final = (
    '<b onmouseover="alert(1)">Sam</b>',
    "Sam, everyone@example.com",
    '"Sam" <everyone@example.com>',
    "{{7*7}} {% raw %}",
    "=?utf-8?q?Bcc=3A_everyone=40example=2Ecom?=",
    "%0d%0aBcc: everyone@example.com",
)


@pytest.fixture(scope="module")
def told(stack: StackHandle, cast: CallerDirectory, hostile_listing: Json) -> list[tuple[str, ApiUser, Json]]:
    """Let students with such names apply; return each with their mail. The owner gets as many."""
    people = []
    for name in NAMES:
        email = f"mail.{secrets.token_hex(6)}@example.com"
        person = ApiUser(stack.gateway_url, stack.mailbox_url, email, trust=stack.trust)
        person.register(password=JOURNEY_PASSWORD, name=name)
        person.verify()
        wait_for_result(lambda person=person: _named(person), "the profile to be there")  # type: ignore[misc]
        wait_for_result(
            lambda person=person: _applied(person, hostile_listing),  # type: ignore[misc]
            "the application to be taken",
        )
        people.append((name, person))
    return [
        (name, person, person.await_mail(lambda mail: "application" in mail["subject"]))
        for name, person in people
    ]


def _named(person: ApiUser) -> Json | None:
    return _granted(lambda: person.get("/api/v1/users/me"))


def _applied(person: ApiUser, opened: Json) -> Json | None:
    return _granted(lambda: person.post("/api/v1/applications", internshipId=opened["id"]))


def _granted(call: Callable[[], Json]) -> Json | None:
    try:
        return call()
    except ApiError:
        return None


def test_mails_to_people_of_such_names_have_our_headers_and_one_recipient(
    told: list[tuple[str, ApiUser, Json]],
) -> None:
    for _, person, _ in told:
        for mail in person.mails():
            must_be_a_plain_mail(mail, person.email)


def must_be_a_plain_mail(mail: Json, to: str) -> None:
    """Assert one recipient, no foreign header, one line of subject, and no script in the HTML."""
    assert mail["to"] == [to]
    assert "\n" not in mail["subject"] and "\r" not in mail["subject"]
    assert {name.lower() for name in mail["headers"]} <= MAIL_HEADERS, mail["headers"]
    assert all(len(values) == 1 for name, values in mail["headers"].items() if name.lower() != "received")
    for tag in ("<script", "<b onmouseover", "<img src=x", "<em>not ours"):
        assert tag not in mail["html"]


def test_the_companys_mails_show_hostile_names_as_text(
    stack: StackHandle, cast: CallerDirectory, told: list[tuple[str, ApiUser, Json]]
) -> None:
    owner = cast.crowd.owners[0].email

    def all_of_them() -> list[Json] | None:
        found = [mail for mail in stack.mails(owner) if "applied for" in mail["subject"]]
        return found if len(found) >= len(NAMES) else None

    mails = wait_for_result(all_of_them, "a mail about each applicant")
    for mail in mails:
        must_be_a_plain_mail(mail, owner)
    texts = " ".join(mail["html"] for mail in mails)
    assert html.escape(NAMES[0], quote=True).replace("&quot;", "&#34;") in texts
    assert "{{7*7}}" in texts
