"""What people type as names, titles and addresses, in mails read back as the bytes that came over SMTP."""

import base64
import re
import secrets
from typing import Any, Final

import httpx
import pytest

from chassis.text import parse_email_address, to_single_line, truncate_text
from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from services.notification.mail_composition import MAIL_HEADERS
from services.notification.rendering import MAX_NAME_CHARS, MAX_SUBJECT_CHARS
from tests.hostile.callers import ANONYMOUS, OWNER, STUDENT, CallerDirectory, error_reason
from tests.stack import StackHandle

NAMES: Final = (
    "=?utf-8?q?Ann=0D=0AX-Injected=3A_yes=0D=0A=0D=0AHello?=",
    "=?utf-7?q?+2AA-?=",
    "Doe, everyone@example.com, Robin",
    'back\\slash " quote (comment) <a@example.com>; group: x;',
    "Ada наука Łódź 東京 and blanks between",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 17,
    "й" * 120,
    "Z\u0351\u036b\u0343" * 30,
)
ADDED_BY_THE_MAILBOX: Final = {"X-Peer", "X-MailFrom", "X-RcptTo", "Received"}
WORD: Final = re.compile(r"=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=")


class UnparsedMail:
    """A mail by its bytes, read by the rules of RFC 5322 and RFC 2047 without any library."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
        lines = re.sub(r"\n[ \t]+", " ", head.decode()).split("\n")
        pairs = [line.partition(": ")[::2] for line in lines]
        self.headers = [pair for pair in pairs if pair[0] not in ADDED_BY_THE_MAILBOX]

    def __getitem__(self, name: str) -> str:
        (value,) = [value for held, value in self.headers if held == name]
        return value

    @property
    def recipient(self) -> tuple[str, str]:
        """Return name and address of the one mailbox."""
        name, _, address = self["To"].rpartition(" ")
        return decoded(name.strip('"')), address.strip("<>")

    @property
    def subject(self) -> str:
        return decoded(self["Subject"])


def decoded(value: str) -> str:
    """Return a value of nothing but encoded words, or of none."""
    words = WORD.findall(value)
    assert bool(words) == ("=?" in value)
    assert not words or not WORD.sub("", value).strip()
    return b"".join(map(base64.b64decode, words)).decode() if words else value


def raw_mails(stack: StackHandle, to: str) -> list[UnparsedMail]:
    with httpx.Client(base_url=stack.mailbox_url, trust_env=False, timeout=10) as mailbox:
        found = mailbox.get("/mails", params={"to": to, "limit": 100}).json()["mails"]
        return [UnparsedMail(mailbox.get(f"/mails/{mail['id']}/raw").content) for mail in found]


def is_whole(mail: UnparsedMail, to: str) -> None:
    assert [name for name, _ in mail.headers] == list(MAIL_HEADERS)
    assert mail.recipient[1] == to
    assert mail["From"].count("@") == 1
    assert mail.body.count(b"\nContent-Type: text/") == 2


@pytest.fixture(scope="module")
def people(stack: StackHandle, cast: CallerDirectory) -> list[tuple[str, ApiUser]]:
    """Students of such names who apply for listings with such titles, of a company that is called so too."""
    students = [(name, _registered(stack, name)) for name in NAMES]
    for _, student in students:
        student.verify()
        wait_for_result(lambda person=student: _granted(person, "GET", "/api/v1/users/me"), "the profile")  # type: ignore[misc]
    for name, student in students:
        cast.must(OWNER, "PATCH", "/api/v1/companies/me", json={"name": name})
        body = {"internshipId": _published(cast, name)}
        wait_for_result(
            lambda person=student, body=body: _granted(person, "POST", "/api/v1/applications", **body),  # type: ignore[misc]
            "the application to be taken",
        )
    return students


def _registered(stack: StackHandle, name: str) -> ApiUser:
    email = f"header.{secrets.token_hex(6)}@example.com"
    person = ApiUser(stack.gateway_url, stack.mailbox_url, email, trust=stack.trust)
    person.register(password=JOURNEY_PASSWORD, name=name)
    return person


def _published(cast: CallerDirectory, title: str) -> str:
    body = sample_listing("x") | {"title": title, "questions": []}
    draft = cast.must(OWNER, "POST", "/api/v1/internships", json=body)
    cast.must(OWNER, "POST", f"/api/v1/internships/{draft['id']}:publish", json={})
    return str(draft["id"])


def _granted(person: ApiUser, method: str, path: str, **body: Any) -> Json | None:
    try:
        return person.get(path) if method == "GET" else person.post(path, **body)
    except ApiError:
        return None


def _arrived(stack: StackHandle, to: str, at_least: int) -> list[UnparsedMail]:
    def found() -> list[UnparsedMail] | None:
        mails = raw_mails(stack, to)
        return mails if len(mails) >= at_least else None

    return wait_for_result(found, f"{at_least} mails to {to}")


def test_mails_to_people_of_hostile_names_hold_our_headers_and_name_them_as_they_typed(
    stack: StackHandle, people: list[tuple[str, ApiUser]]
) -> None:
    for name, person in people:
        mails = _arrived(stack, person.email, 2)
        for mail in mails:
            is_whole(mail, person.email)
        shown = max((mail.recipient[0] for mail in mails), key=len)
        assert shown == truncate_text(to_single_line(name), MAX_NAME_CHARS)


def test_the_companys_mails_hold_hostile_names_and_titles_as_text_in_their_subjects(
    stack: StackHandle, cast: CallerDirectory, people: list[tuple[str, ApiUser]]
) -> None:
    owner = cast.crowd.owners[0].email
    mails = _arrived(stack, owner, 2 * len(people))
    for mail in mails:
        is_whole(mail, owner)
    subjects = {mail.subject for mail in mails}
    for name in NAMES:
        shown = to_single_line(name)
        assert truncate_text(f"{shown} applied for {shown}", MAX_SUBJECT_CHARS) in subjects
        assert truncate_text(f"{shown} is online", MAX_SUBJECT_CHARS) in subjects


SPELLINGS: Final = (
    "{}@xn--bcher-kva.example.com",
    " {}@B\u00dcCHER.example.com\u200b",
    "{}@bu\u0308cher.example.com",
)


def test_an_international_domain_is_one_account_in_all_spellings_and_mailed_by_its_ascii_form(
    stack: StackHandle,
) -> None:
    local = f"Idn.{secrets.token_hex(6)}"
    typed = f"{local}@bücher.example.com"
    person = ApiUser(stack.gateway_url, stack.mailbox_url, typed, trust=stack.trust)
    person.register(password=JOURNEY_PASSWORD, name="Ida")
    person.verify()
    wire = f"{local}@xn--bcher-kva.example.com"
    (mail,) = raw_mails(stack, wire)
    assert mail["To"] == wire
    for spelling in SPELLINGS:
        address = spelling.format(local.lower())
        assert parse_email_address(address).key == parse_email_address(typed).key
        again = ApiUser(stack.gateway_url, stack.mailbox_url, address, trust=stack.trust)
        again.log_in(JOURNEY_PASSWORD)
        assert again.user["email"] == typed


UNSEEN: Final = ("\u200b", "\u3164\u3164", "\u2800", "\u0301", "\U000e0041", " \u00a0")


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_what_shows_nothing_is_no_name_no_title_and_no_company(cast: CallerDirectory, unseen: str) -> None:
    person = {
        "email": f"unseen.{secrets.token_hex(6)}@example.com",
        "password": JOURNEY_PASSWORD,
        "name": "A",
    }
    student, company = {"kind": "ACCOUNT_KIND_STUDENT"}, {"kind": "ACCOUNT_KIND_COMPANY"}
    for label, method, path, body in (
        (ANONYMOUS, "POST", "/api/v1/auth/register", person | student | {"name": unseen}),
        (ANONYMOUS, "POST", "/api/v1/auth/register", person | company | {"companyName": unseen}),
        (STUDENT, "PATCH", "/api/v1/users/me", {"student": {"skills": [{"name": unseen}]}}),
        (OWNER, "POST", "/api/v1/internships", sample_listing("x") | {"qualifications": [unseen]}),
    ):
        headers = {"x-forwarded-for": f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}
        answer = cast.ask(cast[label], method, path, json=body, headers=headers)
        assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), (
            path,
            answer.text,
        )
