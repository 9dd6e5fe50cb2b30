"""Each kind of bad input gets its own code, reason and field, as a google.rpc body and never as a 5xx."""

import asyncio
import base64
import hmac
import json
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from chassis.call_context import Principal
from chassis.clock import SystemClock
from devstack.credentials import service_key_path
from devstack.journey.client import ApiError, ApiUser, Json
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from devstack.seed.in_process_services import open_auth_resources
from devstack.seed.tokens import SeedTokenIssuer
from internshipconnect.internship.v1.internship_pb2 import (
    QUESTION_KIND_TEXT,
    CreateInternshipRequest,
    Internship,
    Question,
)
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.e2e.conftest import NewPerson
from tests.patient_requests import send_until_admitted
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S


def _refusal(person: ApiUser, method: str, path: str, **call: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        person.call(method, path, **call)
    return refused.value


def _raw(stack: StackHandle, method: str, path: str, **request: Any) -> tuple[int, Json]:
    answer = httpx.request(
        method, stack.gateway_url + path, timeout=WAIT_TIMEOUT_S, trust_env=False, **request
    )
    assert answer.headers["content-type"].startswith("application/json"), answer.text
    body: Json = answer.json()
    assert set(body) == {"code", "message", "details"}
    return answer.status_code, body


def _reason(body: Mapping[str, Any]) -> str:
    return str(next(detail["reason"] for detail in body["details"] if "reason" in detail))


def _registration(**changes: Any) -> Json:
    fields = {
        "email": "new.person@example.com",
        "password": JOURNEY_PASSWORD,
        "kind": "ACCOUNT_KIND_STUDENT",
        "name": "New Person",
    }
    return fields | changes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("email", "a" * 250 + "@example.com"),
        ("email", 5),
        ("password", "short"),
        ("password", "password1234"),
        ("kind", "ACCOUNT_KIND_WIZARD"),
        ("kind", "ACCOUNT_KIND_ADMIN"),
        ("kind", 99),
        ("name", ""),
        ("name", "x" * 121),
        ("name", "nul\u0000byte"),
        ("name", "bell\u0007"),
        ("companyName", "only for companies"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(visitor: ApiUser, field: str, value: object) -> None:
    refused = _refusal(visitor, "POST", "/api/v1/auth/register", body=_registration(**{field: value}))
    assert (refused.status, refused.reason) == (400, "INVALID_FIELD")
    assert field in refused.violations, refused.body


def test_a_body_that_is_no_json_is_malformed(stack: StackHandle) -> None:
    status, body = _raw(stack, "POST", "/api/v1/auth/login", content=b'{"email": "a@b.c",')
    assert (status, _reason(body)) == (400, "MALFORMED_REQUEST")


def test_a_body_that_is_a_list_is_malformed(stack: StackHandle) -> None:
    status, body = _raw(stack, "POST", "/api/v1/auth/login", content=b"[1, 2]")
    assert (status, _reason(body)) == (400, "MALFORMED_REQUEST")


def test_a_body_of_ten_megabytes_is_refused(stack: StackHandle) -> None:
    body = json.dumps({"email": "a" * 10_000_000})
    status, answer = _raw(stack, "POST", "/api/v1/auth/login", content=body)
    assert (status, _reason(answer)) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("method", ["get", "FOO", "Post", "GE(T"])
def test_a_method_that_http_does_not_know_is_named_as_the_mistake(stack: StackHandle, method: str) -> None:
    line = HTTPConnection(urlsplit(stack.gateway_url).netloc, timeout=WAIT_TIMEOUT_S)
    with closing(line):
        line.request(method, "/api/v1/internships")
        answer = line.getresponse()
        body: Json = json.loads(answer.read())
    assert (answer.status, _reason(body)) == (400, "MALFORMED_REQUEST")
    assert "the method is not one of DELETE, GET" in body["message"]


def test_a_method_that_the_path_does_not_take_is_answered_with_those_it_takes(stack: StackHandle) -> None:
    answer = httpx.request("PUT", stack.gateway_url + "/api/v1/internships", timeout=WAIT_TIMEOUT_S)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_an_unknown_query_parameter_is_named(visitor: ApiUser) -> None:
    refused = _refusal(visitor, "GET", "/api/v1/internships", parameters={"colour": "blue"})
    assert (refused.status, refused.reason) == (400, "UNKNOWN_PARAMETER")
    assert "colour" in refused.violations


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pageSize", "many"),
        ("withFacets", "yes"),
        ("pageSize", "51"),
        ("workMode", "WORK_MODE_SPACE"),
        ("country", "germany"),
    ],
)
def test_a_query_parameter_that_breaks_its_rule_is_named(visitor: ApiUser, name: str, value: str) -> None:
    refused = _refusal(visitor, "GET", "/api/v1/internships", parameters={name: value})
    assert (refused.status, refused.reason) == (400, "INVALID_FIELD")
    assert name in refused.violations


def test_a_page_token_that_was_changed_is_refused(visitor: ApiUser) -> None:
    refused = _refusal(visitor, "GET", "/api/v1/internships", parameters={"pageToken": "AAAA.BBBB"})
    assert (refused.status, refused.reason) == (400, "INVALID_PAGE_TOKEN")


def test_an_unknown_path_is_not_found(visitor: ApiUser) -> None:
    refused = _refusal(visitor, "GET", "/api/v1/unicorns")
    assert (refused.status, refused.reason) == (404, "UNKNOWN_PATH")


def test_an_id_that_is_none_is_named(visitor: ApiUser) -> None:
    refused = _refusal(visitor, "GET", "/api/v1/internships/int_1")
    assert (refused.status, refused.reason) == (400, "INVALID_FIELD")
    assert "internshipId" in refused.violations


def _forged(claims: Json, key: Any, algorithm: str, **headers: str) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(header: Json, claims: Json) -> str:
    return ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))


def _hmac_signed(header: Json, claims: Json, secret: bytes) -> str:
    # By hand: the library refuses to use a public key as a secret.
    signed = _unsigned(header | {"alg": "HS256"}, claims)
    return f"{signed}.{_base64url(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _claims(person: ApiUser) -> Json:
    claims: Json = jwt.decode(person.access_token, options={"verify_signature": False})
    return claims


def _with_token(stack: StackHandle, token: str) -> tuple[int, str]:
    status, body = _raw(stack, "GET", "/api/v1/users/me", headers={"authorization": f"Bearer {token}"})
    return status, _reason(body)


def test_without_a_token_a_private_call_asks_to_sign_in(visitor: ApiUser) -> None:
    refused = _refusal(visitor, "GET", "/api/v1/users/me")
    assert (refused.status, refused.reason) == (401, "TOKEN_MISSING")


def test_a_token_with_algorithm_none_is_refused(stack: StackHandle, student: ApiUser) -> None:
    token = _unsigned({"alg": "none", "typ": "JWT"}, _claims(student)) + "."
    assert _with_token(stack, token) == (401, "TOKEN_INVALID")


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    stack: StackHandle, student: ApiUser
) -> None:
    public = httpx.get(f"{stack.gateway_url}/.well-known/jwks.json", trust_env=False).json()["keys"][0]
    pem = PyJWK(public).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(public).encode()):
        token = _hmac_signed({"kid": public["kid"]}, _claims(student), secret)
        assert _with_token(stack, token) == (401, "TOKEN_INVALID")


def test_a_token_of_somebody_elses_key_is_refused(stack: StackHandle, student: ApiUser) -> None:
    kid = jwt.get_unverified_header(student.access_token)["kid"]
    key = ec.generate_private_key(ec.SECP256R1())
    assert _with_token(stack, _forged(_claims(student), key, "ES256", kid=kid)) == (401, "TOKEN_INVALID")
    assert _with_token(stack, _forged(_claims(student), key, "ES256", kid="no-such-key")) == (
        401,
        "TOKEN_INVALID",
    )


def test_a_services_own_key_signs_no_person_in(stack: StackHandle, student: ApiUser) -> None:
    key = service_key_path(stack.topology, "auth").read_bytes()
    assert _with_token(stack, _forged(_claims(student), key, "ES256", kid="svc-auth")) == (
        401,
        "TOKEN_INVALID",
    )


def test_a_token_of_an_hour_ago_has_expired(stack: StackHandle, student: ApiUser) -> None:
    async def minted() -> str:
        async with AsyncExitStack() as closing:
            auth = await open_auth_resources(stack.cluster, closing, clock=SystemClock())
            person = Principal(id=student.user["id"], kind="STUDENT", email_verified=True)
            return await SeedTokenIssuer(auth).issue(person, timedelta(hours=-1))

    assert _with_token(stack, asyncio.run(minted())) == (401, "TOKEN_EXPIRED")


def test_a_token_that_was_cut_is_refused(stack: StackHandle, student: ApiUser) -> None:
    assert _with_token(stack, student.access_token[:-4]) == (401, "TOKEN_INVALID")
    assert _with_token(stack, "rubbish") == (401, "TOKEN_INVALID")


def test_a_student_may_not_do_what_only_companies_may(student: ApiUser) -> None:
    refused = _refusal(student, "POST", "/api/v1/internships", body=sample_listing("x"))
    assert (refused.status, refused.reason) == (403, "PERMISSION_DENIED")


def test_an_unverified_account_may_browse_and_not_post(new_person: NewPerson) -> None:
    owner = new_person(company="Not Yet Known", verified=False)
    assert "data" in owner.get("/api/v1/internships")
    refused = _refusal(owner, "POST", "/api/v1/internships", body=sample_listing("x"))
    assert (refused.status, refused.reason) == (403, "EMAIL_NOT_VERIFIED")


def test_another_companys_draft_and_application_do_not_exist_for_others(
    owner: ApiUser, new_person: NewPerson, walked: Any
) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing("hidden"))
    other = new_person(company="The Neighbours")
    for path in (f"/api/v1/internships/{draft['id']}", f"/api/v1/analytics/internships/{draft['id']}/funnel"):
        refused = _refusal(other, "GET", path)
        assert (refused.status, refused.reason) == (404, "INTERNSHIP_NOT_FOUND")
    _, journey = walked
    refused = _refusal(other, "GET", f"/api/v1/applications/{journey.application['id']}")
    assert (refused.status, refused.reason) == (404, "APPLICATION_NOT_FOUND")


def test_an_illegal_transition_names_the_allowed_ones(owner: ApiUser) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing("early"))
    refused = _refusal(owner, "POST", f"/api/v1/internships/{draft['id']}:pause", body={})
    assert (refused.status, refused.reason) == (400, "ILLEGAL_TRANSITION")
    moves = next(detail["moves"] for detail in refused.body["details"] if "moves" in detail)
    assert moves == [
        {
            "target": "INTERNSHIP_STATE_OPEN",
            "call": "PublishInternship",
            "http": "POST /api/v1/internships/{internshipId}:publish",
        },
        {
            "target": "INTERNSHIP_STATE_ARCHIVED",
            "call": "ArchiveInternship",
            "http": "POST /api/v1/internships/{internshipId}:archive",
        },
    ]


MODES = "WORK_MODE_ON_SITE, WORK_MODE_HYBRID, WORK_MODE_REMOTE"
MACHINE_TALK = re.compile(
    r"\^|\$|\{\d|regex|TYPE_|type\.googleapis|internshipconnect\.|proto|int32|\[\d+, ", re.I
)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"workMode": "REMOTE"}, "workMode", f'must be one of {MODES}, not "REMOTE"'),
        ({"workMode": 99}, "workMode", f"must be one of {MODES}"),
        ({"durationWeeks": 1.5}, "durationWeeks", "must be a whole number, not 1.5"),
        ({"durationWeeks": 105}, "durationWeeks", "must be at least 0 and at most 104"),
        ({"title": True}, "title", "must be text, not true"),
        ({"title": {"de": "x"}}, "title", "must be one value, not an object"),
        ({"compensation": {"paid": "yes"}}, "compensation.paid", 'must be true or false, not "yes"'),
        ({"compensation": {"paid": 1}}, "compensation.paid", "must be true or false, not 1"),
        ({"compensation": 5}, "compensation", "must be an object with fields of its own, in { }, not 5"),
        ({"questions": [{"required": {}}]}, "questions[0].required", "must be one value, not an object"),
        ({"questions": [{"id": "A"}]}, "questions[0].text", "must not be empty"),
        ({"locations": [{"country": "Germany"}]}, "locations[0].country", "`Germany` is not an ISO 3166-1"),
        ({"applyDeadline": "2027-06-01"}, "applyDeadline", "must be a time with its zone such as"),
        (
            {"compensation": {"minMinor": 2, "maxMinor": 1}},
            "compensation.maxMinor",
            "must not be below minMinor",
        ),
    ],
)
def test_a_refused_field_is_named_as_sent_and_described_in_words(
    owner: ApiUser, body: Json, field: str, words: str
) -> None:
    refused = _refusal(owner, "POST", "/api/v1/internships", body=body)
    assert (refused.status, refused.reason) == (400, "INVALID_FIELD")
    assert refused.violations.get(field, "").startswith(words), refused.body
    assert not MACHINE_TALK.search(refused.body["message"]), refused.body["message"]
    assert not any(MACHINE_TALK.search(each) for each in refused.violations.values()), refused.violations


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1]", "At character 1: "),
        (b'{"title": "x"', "At character 14: "),
        (b'{"workMode": ["x"]}', "workMode: must be one value, not a list"),
    ],
)
def test_an_unreadable_body_is_described_in_words(
    owner: ApiUser, stack: StackHandle, content: bytes, words: str
) -> None:
    headers = {"authorization": f"Bearer {owner.access_token}"}
    status, body = _raw(stack, "POST", "/api/v1/internships", content=content, headers=headers)
    assert status == 400
    assert words in body["message"]
    assert not MACHINE_TALK.search(body["message"]), body["message"]


def test_a_grpc_caller_reads_the_names_of_the_request_message(owner: ApiUser, stack: StackHandle) -> None:
    questions = [Question(id="a", kind=QUESTION_KIND_TEXT, text="?", choices=["x", "y"])]
    request = CreateInternshipRequest(internship=Internship(title="x", questions=questions))
    with (
        grpc.insecure_channel(stack.gateway_url.removeprefix("http://")) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        metadata = (("authorization", f"Bearer {owner.access_token}"),)
        InternshipServiceStub(channel).CreateInternship(request, metadata=metadata, timeout=10.0)
    assert str(refused.value.details()).startswith("internship.questions[0].choices: must be empty")


def test_a_stale_etag_is_a_conflict(owner: ApiUser) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing("stale"))
    path = f"/api/v1/internships/{draft['id']}"
    owner.patch(path, title="A better title", etag=draft["etag"])
    refused = _refusal(owner, "PATCH", path, body={"title": "Another title", "etag": draft["etag"]})
    assert (refused.status, refused.reason) == (409, "STALE_ETAG")


def test_publishing_what_is_incomplete_names_each_missing_field(owner: ApiUser) -> None:
    draft = owner.post("/api/v1/internships", title="Only a title")
    refused = _refusal(owner, "POST", f"/api/v1/internships/{draft['id']}:publish", body={})
    assert (refused.status, refused.reason) == (400, "INTERNSHIP_INCOMPLETE")
    assert {"description", "compensation", "applyDeadline"} <= set(refused.violations)


def test_read_only_fields_in_a_body_change_nothing(owner: ApiUser) -> None:
    sent = sample_listing("mass") | {
        "state": "INTERNSHIP_STATE_OPEN",
        "hires": 7,
        "company": {"name": "Other"},
    }
    draft = owner.post("/api/v1/internships", **sent)
    assert (draft["state"], draft["hires"]) == ("INTERNSHIP_STATE_DRAFT", 0)
    assert draft["company"]["name"] == "Harbour Works"


def test_an_idempotency_key_gives_the_first_answer_again_and_refuses_another_body(
    stack: StackHandle, owner: ApiUser
) -> None:
    headers = {"authorization": f"Bearer {owner.access_token}", "idempotency-key": "the-same-key"}
    url = f"{stack.gateway_url}/api/v1/internships"

    def create(body: Json) -> httpx.Response:
        return send_until_admitted(
            lambda: httpx.post(url, json=body, headers=headers, trust_env=False, timeout=WAIT_TIMEOUT_S)
        )

    once, twice = map(sample_listing, ("once", "twice"))
    first, again, other = map(create, (once, once, twice))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, _reason(other.json())) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_a_second_application_for_the_same_listing_is_refused(owner: ApiUser, student: ApiUser) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing("twice"))
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    answers = [{"questionId": "start", "text": "Now"}]
    student.post("/api/v1/applications", internshipId=draft["id"], answers=answers)
    body = {"internshipId": draft["id"], "answers": answers}
    refused = _refusal(student, "POST", "/api/v1/applications", body=body)
    assert (refused.status, refused.reason) == (409, "ALREADY_APPLIED")


def test_a_required_question_that_is_not_answered_is_named(owner: ApiUser, new_person: NewPerson) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing("silent"))
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    refused = _refusal(new_person(), "POST", "/api/v1/applications", body={"internshipId": draft["id"]})
    assert (refused.status, refused.reason) == (400, "ANSWERS_INCOMPLETE")
    assert refused.violations


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(
    stack: StackHandle, new_person: NewPerson
) -> None:
    person = new_person()
    old = person.refresh_token
    newer = person.post("/api/v1/auth/refresh", refreshToken=old)["data"]["tokens"]["refreshToken"]
    person.post("/api/v1/auth/refresh", refreshToken=newer)
    refused = _refusal(person, "POST", "/api/v1/auth/refresh", body={"refreshToken": old})
    assert (refused.status, refused.reason) == (401, "INVALID_REFRESH_TOKEN")


def test_login_and_registration_do_not_reveal_whether_an_address_is_known(
    visitor: ApiUser, student: ApiUser
) -> None:
    known = {"email": student.email, "password": "a-wrong-passphrase"}
    unknown = {"email": "nobody.knows@example.com", "password": "a-wrong-passphrase"}
    refusals = [_refusal(visitor, "POST", "/api/v1/auth/login", body=body) for body in (known, unknown)]
    assert {(each.status, each.reason, str(each)) for each in refusals} == {
        (401, "INVALID_CREDENTIALS", str(refusals[0]))
    }
    answers = [
        visitor.post("/api/v1/auth/register", **_registration(email=email))
        for email in (student.email, "somebody.new@example.com")
    ]
    assert answers[0] == answers[1]
