"""What the page calls read-only, and what nobody is asked for, has no effect in a body or is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from chassis.ids import new_id
from devstack.journey.client import ApiUser, Json
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from tests.hostile.callers import OWNER, STUDENT, CallerDirectory, error_reason
from tests.stack import StackHandle

INVENTED: Final[Json] = {
    "role": "COMPANY_ROLE_OWNER",
    "plan": "PLAN_ENTERPRISE",
    "emailVerified": True,
    "ownerId": "usr_00000000000000000000000000",
    "studentId": "usr_00000000000000000000000000",
    "companyId": "cmp_00000000000000000000000000",
    "isAdmin": True,
    "kind": "ACCOUNT_KIND_ADMIN",
    "state": "ACTIVE",
    "_id": "x",
    "__proto__": {"admin": True},
    "constructor": {"prototype": {}},
}
"""What somebody might hope that a service takes over from a body."""
REFUSED: Final = {"INVALID_FIELD", "MALFORMED_REQUEST", "STALE_ETAG"}


@dataclass(frozen=True)
class WriteTarget:
    """A call that takes a whole object: its schema on the page, who may call, and a body that is good."""

    method: str
    path: str
    schema: str
    label: str
    body: Mapping[str, Any]


CREATE: Final = WriteTarget("POST", "/api/v1/internships", "Internship", OWNER, sample_listing("read-only"))
UPDATES: Final = (
    WriteTarget("PATCH", "/api/v1/users/me", "Me", STUDENT, {"name": "Sam Student"}),
    WriteTarget("PATCH", "/api/v1/companies/me", "Company", OWNER, {"about": "We build things."}),
    WriteTarget("PATCH", "/api/v1/internships/{draft}", "Internship", OWNER, {"title": "Another title"}),
)


@pytest.fixture(scope="module")
def page(stack: StackHandle) -> Json:
    document: Json = httpx.get(
        f"{stack.gateway_url}/openapi.json", trust_env=False, verify=stack.trust
    ).json()
    return document


@pytest.fixture(scope="module")
def draft(cast: CallerDirectory) -> str:
    return str(cast.must(OWNER, "POST", CREATE.path, json=dict(CREATE.body))["id"])


def read_only(page: Json, schema: str) -> dict[str, Any]:
    """Return each read-only field of a schema with a value that would be another's, or better, or later."""
    properties = page["components"]["schemas"][schema]["properties"]
    found = {name: value_of(page, rules) for name, rules in properties.items() if rules.get("readOnly")}
    assert found, schema
    return found


def value_of(page: Json, rules: Json) -> Any:
    """Return a value that the type accepts and no object has."""
    if "$ref" in rules or "allOf" in rules:
        reference = rules.get("$ref") or rules["allOf"][0]["$ref"]
        held = page["components"]["schemas"][reference.rsplit("/", 1)[1]]["properties"]
        return {name: value_of(page, one) for name, one in held.items()}
    if "x-extensible-enum" in rules:
        return rules["x-extensible-enum"][-1]
    if rules.get("format") == "date-time":
        return "2031-01-31T12:00:00Z"
    if (pattern := rules.get("pattern", "")).startswith("^("):
        prefix = pattern.removeprefix("^(").partition("_")[0]
        return new_id(prefix) if len(prefix) == 3 else "https://mallory.example.com"
    return {"integer": 777, "boolean": True, "number": 7, "string": "Mallory"}[rules["type"]]


def must_be_without_effect(answer: httpx.Response, name: str, sent: Any, before: Any) -> None:
    """Assert that the answer is a refusal, or that the field is unchanged."""
    body = answer.json()
    if answer.is_success:
        assert body.get(name) == before or body.get(name) != sent, f"{name} was taken over: {body.get(name)}"
    else:
        assert answer.status_code in {400, 409}, answer.text
        assert error_reason(body) in REFUSED, answer.text


def test_a_new_listing_takes_over_nothing_read_only(cast: CallerDirectory, page: Json) -> None:
    for name, sent in read_only(page, CREATE.schema).items():
        answer = cast.ask(cast[OWNER], CREATE.method, CREATE.path, json={**CREATE.body, name: sent})
        must_be_without_effect(answer, name, sent, before=None)
    everything = {**CREATE.body, **read_only(page, CREATE.schema), "hires": 3}
    created = cast.must(OWNER, CREATE.method, CREATE.path, json=everything)
    assert (created["state"], created["hires"], created["version"]) == ("INTERNSHIP_STATE_DRAFT", 0, 1)
    principal = cast[OWNER].principal
    assert principal is not None
    assert created["company"]["id"] == principal.org


@pytest.mark.parametrize("target", UPDATES, ids=lambda target: target.schema)
def test_an_update_takes_over_nothing_read_only(
    cast: CallerDirectory, page: Json, draft: str, target: WriteTarget
) -> None:
    path = target.path.format(draft=draft)
    for name, sent in read_only(page, target.schema).items():
        before = cast.must(target.label, "GET", path)
        answer = cast.ask(cast[target.label], target.method, path, json={**target.body, name: sent})
        must_be_without_effect(answer, name, sent, before.get(name))
        after = cast.must(target.label, "GET", path)
        assert name in {"version", "updateTime"} or after.get(name) == before.get(name), name


@pytest.mark.parametrize("target", UPDATES, ids=lambda target: target.schema)
def test_a_mask_that_names_a_read_only_field_is_refused(
    cast: CallerDirectory, page: Json, draft: str, target: WriteTarget
) -> None:
    path = target.path.format(draft=draft)
    for name, sent in read_only(page, target.schema).items():
        mask = {"updateMask": name}
        answer = cast.ask(cast[target.label], target.method, path, json={name: sent}, params=mask)
        assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), (
            name,
            answer.text,
        )


@pytest.mark.parametrize("target", (CREATE, *UPDATES), ids=lambda target: f"{target.method} {target.schema}")
def test_what_nobody_is_asked_for_has_no_effect(
    cast: CallerDirectory, draft: str, target: WriteTarget
) -> None:
    path = target.path.format(draft=draft)
    for name, sent in INVENTED.items():
        answer = cast.ask(cast[target.label], target.method, path, json={**target.body, name: sent})
        must_be_without_effect(answer, name, sent, before=None)
    me, company = (
        cast.must(STUDENT, "GET", "/api/v1/users/me"),
        cast.must(OWNER, "GET", "/api/v1/companies/me"),
    )
    assert (me["kind"], me["companyId"]) == ("ACCOUNT_KIND_STUDENT", "")
    assert "Mallory" not in str((me, company))


def test_a_stale_etag_is_never_overwritten(cast: CallerDirectory, draft: str) -> None:
    for target in UPDATES:
        path = target.path.format(draft=draft)
        for etag in ("v0", "v999999", "x"):
            answer = cast.ask(cast[target.label], target.method, path, json={**target.body, "etag": etag})
            assert (answer.status_code, error_reason(answer.json())) == (409, "STALE_ETAG"), (
                target.schema,
                etag,
            )


@pytest.mark.parametrize(
    "extra",
    [
        {"kind": "ACCOUNT_KIND_ADMIN"},
        {"kind": "ACCOUNT_KIND_MODERATOR"},
        *({name: value} for name, value in INVENTED.items() if name != "kind"),
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_nobody_registers_with_more_than_everybody_gets(stack: StackHandle, extra: Json) -> None:
    email = f"{new_id('usr').lower()}@example.com"
    person = ApiUser(stack.gateway_url, stack.mailbox_url, email, trust=stack.trust)
    fields = {"email": email, "password": JOURNEY_PASSWORD, "kind": "ACCOUNT_KIND_STUDENT", "name": "Sam"}
    answer = httpx.post(
        f"{stack.gateway_url}/api/v1/auth/register",
        json=fields | extra,
        headers={"x-forwarded-for": person.address},
        trust_env=False,
        verify=stack.trust,
    )
    if answer.is_error:
        assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), answer.text
        return
    person.log_in(JOURNEY_PASSWORD)
    assert person.user["kind"] == "ACCOUNT_KIND_STUDENT"
    assert (person.user["emailVerified"], person.user["state"]) == (
        False,
        "ACCOUNT_STATE_PENDING_VERIFICATION",
    )
    assert (person.user["role"], person.user["companyId"]) == ("COMPANY_ROLE_UNSPECIFIED", "")
    assert person.user["plan"] in {"PLAN_FREE", "PLAN_UNSPECIFIED"}
