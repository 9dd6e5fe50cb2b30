"""Every link in every mail, in every language, leads to a page that does or says the right thing."""

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final, get_type_hints

import httpx
import pytest

from chassis.ids import new_id
from chassis.languages import LANGUAGES
from devstack.mailbox.message import parse_mail
from gateway.pages.landing_pages import PAGE_LANGUAGES
from services.notification.domain.contents import NOTIFICATION_CONTENTS, NotificationContent
from services.notification.domain.recipients import Addressee
from services.notification.rendering import NotificationRenderer
from tests.stack import StackHandle

CODE: Final = "49381726"
HEADINGS: Final = {
    "en": {
        "login": "Sign in",
        "verify-email": "Type in the code",
        "reset-password": "Choose a password",
        "change-email": "Confirm your new address",
        "sessions": "Your sessions",
        "account-deletion": "The deletion of your account",
        "applications": "The application",
        "internships": "The listing",
        "companies": "The company",
        "invitation": "The invitation",
    },
    "de": {
        "login": "Anmelden",
        "verify-email": "Code eingeben",
        "reset-password": "Passwort wählen",
        "change-email": "Neue Adresse bestätigen",
        "sessions": "Ihre Sitzungen",
        "account-deletion": "Die Löschung Ihres Kontos",
        "applications": "Die Bewerbung",
        "internships": "Die Anzeige",
        "companies": "Das Unternehmen",
        "invitation": "Die Einladung",
    },
}
API_CALLS: Final = {
    "login": "POST /api/v1/auth/login",
    "verify-email": "POST /api/v1/auth/verify-email",
    "reset-password": "POST /api/v1/auth/reset-password",
    "change-email": "POST /api/v1/auth/confirm-email-change",
    "sessions": "GET /api/v1/auth/sessions",
    "account-deletion": "GET /api/v1/auth/account/deletion",
    "applications": "GET /api/v1/applications/",
    "internships": "GET /api/v1/internships/",
    "companies": "GET /api/v1/companies/",
    "invitation": "POST /api/v1/invitations:lookup",
}


@pytest.fixture(scope="module")
def client(stack: StackHandle) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.gateway_url, trust_env=False, verify=stack.trust, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def mails(stack: StackHandle) -> NotificationRenderer:
    return NotificationRenderer(public_url=stack.gateway_url, sender="hello@ic.example", sender_name="IC")


def sample(kind: type[NotificationContent]) -> NotificationContent:
    known: dict[str, Any] = {
        "code": CODE,
        "application_id": new_id("app"),
        "internship_id": new_id("int"),
        "company_id": new_id("cmp"),
    }
    kinds = get_type_hints(kind)
    values = {
        each.name: known.get(each.name, f"the {each.name}" if kinds[each.name] is str else datetime.now(UTC))
        for each in fields(kind)
    }
    return kind(**values)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NOTIFICATION_CONTENTS, ids=lambda kind: kind.__name__)
def test_every_link_of_every_mail_leads_to_its_page_in_the_language_of_the_mail(
    stack: StackHandle,
    client: httpx.Client,
    mails: NotificationRenderer,
    kind: type[NotificationContent],
    language: str,
) -> None:
    reader = Addressee(email="ada@example.org", name="Ada", locale=language)
    _, encoded = mails.render_mail("ntf_1", sample(kind), reader, written_at=datetime.now(UTC))
    mail = parse_mail(encoded.raw)
    assert mail.text.count(CODE) == any(field.name == "code" for field in fields(kind))
    assert len(mail.links) == 1
    for link in mail.links:
        assert link.startswith(f"{stack.gateway_url}/app/")
        assert CODE not in link
        answer = client.get(link)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        page = link.removeprefix(f"{stack.gateway_url}/app/").partition("?")[0].partition("/")[0]
        assert f'<html lang="{language}">' in answer.text
        assert f"<h1>{HEADINGS[language][page]}</h1>" in answer.text
        assert API_CALLS[page] in answer.text


def test_without_a_language_in_the_link_the_browsers_own_decides(client: httpx.Client) -> None:
    asked = {"de-AT,de;q=0.9,en;q=0.5": "de", "DE": "de", "en-GB": "en", "fr": "en", "": "en"}
    for header, language in asked.items():
        answer = client.get("/app/login", headers={"accept-language": header})
        assert f'<html lang="{language}">' in answer.text, header
        assert "accept-language" in answer.headers["vary"]
    assert set(PAGE_LANGUAGES) == set(LANGUAGES)


@pytest.mark.parametrize(
    "path",
    [
        "login",
        "verify-email",
        "reset-password",
        "change-email",
        "sessions",
        "applications/x",
        "internships/x",
        "companies/x",
        "invitation",
    ],
)
def test_a_page_runs_nothing_but_our_script_and_sends_no_form_itself(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/app/{path}")
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["form-action"]) == (
        "'none'",
        "'self'",
        "'none'",
    )
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []
    assets = re.findall(r'(?:src|href)="(/app/assets/[^"]+)"', answer.text)
    assert len(assets) == 2
    for asset in assets:
        loaded = client.get(asset)
        assert loaded.status_code == 200
        assert loaded.headers["cache-control"] == "public, max-age=31536000, immutable"
        of_another_version = client.get(re.sub("/[0-9a-f]{16}/", f"/{'0' * 16}/", asset))
        assert of_another_version.text == loaded.text
        assert of_another_version.headers["cache-control"] == "private, max-age=60"
    assert "<noscript>" in answer.text


def test_an_address_that_tries_to_be_script_is_not_shown_by_a_page(client: httpx.Client) -> None:
    answer = client.get(
        "/app/applications/%3Cscript%3Ealert(1)%3C%2Fscript%3E", params={"lang": '"><script>'}
    )
    assert "alert" not in answer.text
