"""Headers that HTTP allows and gRPC does not: they change nothing about what a call is answered."""

from typing import Final

import httpx
import pytest

from tests.hostile.callers import ANONYMOUS, STUDENT, CallerDirectory, error_reason

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


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "\xe9"])
def test_an_idempotency_key_that_is_none_is_named(cast: CallerDirectory, value: str) -> None:
    headers = {"idempotency-key": value.encode("latin-1")}
    answer: httpx.Response = cast.ask(
        cast[STUDENT], "PATCH", "/api/v1/users/me", json={"name": "Sam"}, headers=headers
    )
    assert (answer.status_code, error_reason(answer.json())) == (400, "INVALID_FIELD"), answer.text
