"""Headers that HTTP allows and gRPC does not: they change nothing about what a call is answered."""

from typing import Final

import httpx
import pytest

from chassis.ids import new_id
from tests.hostile.callers import ANONYMOUS, OWNER, STUDENT, CallerDirectory, error_reason

ODD: Final = (
    ("7|x", "z"),
    ("a`b", "z"),
    ("x~y", "z"),
    ("x-a-bin", "???"),
    ("x-a-bin", "QUJD"),
    ("grpc-tags-bin", "%%"),
    ("grpc-trace-bin", "="),
    ("x-endpoint-load-metrics-bin", "zz"),
    ("grpc-previous-rpc-attempts", "x"),
    ("grpc-previous-rpc-attempts", "-1"),
    ("grpc-internal-encoding-request", "x"),
    ("grpc-encoding", "zzz"),
    ("grpc-encoding", "gzip"),
    ("grpc-accept-encoding", "zzz"),
    ("grpc-timeout", "abc"),
    ("grpc-timeout", "99999999999H"),
    ("grpc-status", "5"),
    ("grpc-message", "no"),
    ("x-ic-timeout-ms", "-5"),
    ("x-ic-timeout-ms", "nan"),
    ("x-request-id", "\xe9" * 200),
    ("traceparent", "zz"),
    ("tracestate", "," * 500),
    ("x-forwarded-for", "' OR 1=1 --"),
    ("x-http-method-override", "DELETE"),
    ("x-envoy-max-retries", "1000"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-original-path", "/api/v1/internships"),
    ("te", "x"),
    ("cookie", "a=" + "b" * 2_000),
)


@pytest.mark.parametrize(("name", "value"), ODD)
def test_an_odd_header_changes_nothing(cast: CallerDirectory, name: str, value: str) -> None:
    headers = {name: value.encode("latin-1")}
    login = {"email": "nobody.knows@example.com", "password": "a-wrong-passphrase"}
    refused = cast.ask(cast[ANONYMOUS], "POST", "/api/v1/auth/login", json=login, headers=headers)
    assert (refused.status_code, error_reason(refused.json())) == (401, "INVALID_CREDENTIALS"), refused.text
    answers = [cast.ask(cast[label], "GET", path, headers=headers) for label, path in READS]
    assert [answer.status_code for answer in answers] == [200, 200, 200], [answer.text for answer in answers]


READS: Final = (
    (STUDENT, "/api/v1/users/me"),
    (STUDENT, "/api/v1/internships"),
    (ANONYMOUS, "/api/v1/internships"),
)


UNREAD_TYPES: Final = (
    "application/grpcx",
    "application/grpc;charset=utf-8",
    "application/grpc-web-json",
    "application/grpc-web+json",
    "application/grpc-web-text; a=b",
    "APPLICATION/GRPC",
    "application/grpc, application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "\xe9",
)
"""Types of bodies that Envoy transcodes like any other, and that are none of JSON."""
READ_TYPES: Final = ("application/json", "Application/JSON ; charset=utf-8", "")
GRPC_TYPES: Final = (
    "application/grpc",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpc-web-text",
)


@pytest.mark.parametrize("content_type", [*UNREAD_TYPES, *READ_TYPES, *GRPC_TYPES])
def test_no_content_type_lets_a_write_past_the_checks(cast: CallerDirectory, content_type: str) -> None:
    headers = {"content-type": content_type.encode("latin-1")}
    account = "email=nobody.knows@example.com&password=a-wrong-passphrase"
    for caller, method, path, body in (
        (ANONYMOUS, "POST", f"/api/v1/auth/login?{account}", b"{}"),
        (ANONYMOUS, "POST", f"/auth/login?{account}", b"{}"),
        (
            OWNER,
            "PATCH",
            f"/api/v1/internships/{new_id('int')}?internshipId={new_id('int')}",
            b'{"title":"a"}',
        ),
        (STUDENT, "PATCH", "/api/v1/users/me", b'{"colour":"blue"}'),
    ):
        answer = cast.ask(cast[caller], method, path, content=body, headers=headers)
        # A path of JSON is none of gRPC's.
        refused = {200, 400, 404} if content_type in GRPC_TYPES else {400, 415}
        assert answer.status_code in refused, (path, answer.text)
        assert "INVALID_CREDENTIALS" not in answer.text
        assert answer.status_code != 200 or int(answer.headers["grpc-status"]) > 0


@pytest.mark.parametrize("content_type", UNREAD_TYPES)
def test_a_body_that_is_said_to_be_no_json_is_refused_in_words(
    cast: CallerDirectory, content_type: str
) -> None:
    headers = {"content-type": content_type.encode("latin-1")}
    answer = cast.ask(cast[STUDENT], "PATCH", "/api/v1/users/me", content=b'{"name":"Sam"}', headers=headers)
    assert (answer.status_code, error_reason(answer.json())) == (415, "MALFORMED_REQUEST"), answer.text
    assert "application/json" in answer.json()["message"]


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "\xe9"])
def test_an_idempotency_key_that_is_none_is_named(cast: CallerDirectory, value: str) -> None:
    headers = {"idempotency-key": value.encode("latin-1")}
    answer: httpx.Response = cast.ask(
        cast[STUDENT], "PATCH", "/api/v1/users/me", json={"name": "Sam"}, headers=headers
    )
    assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), answer.text
