"""Secrets do not get into logs, whatever field or sentence they come in."""

import time

import pytest

from chassis.observability.redaction import MAX_TEXT_CHARS, REDACTED, redact_fields, redact_text
from internshipconnect.auth.v1 import auth_pb2
from tests.fakes.tokens import access_token

SECRET = "hunter2-hunter2"
ACCESS = access_token("usr_1")
REFRESH = "ses_01M8HXDTDGZHH8AT3BA67BKXQS.c2VjcmV0LXNlY3JldC1zZWNyZXQ_-w"


@pytest.mark.parametrize(
    "text",
    [
        f"sent Authorization: Bearer {ACCESS} to auth",
        f"authorization=bearer  {ACCESS}",
        f"Basic {SECRET}==",
        f"token was {ACCESS}.",
        f"unsigned {ACCESS.rpartition('.')[0]}.",
        f"refresh with {REFRESH} failed",
        f"POST /auth/login?email=sam%40example.com&password={SECRET}",
        f"GET /x?a=1&access_token={SECRET}&b=2",
        f"referer https://example.com/?refreshToken={SECRET}",
        f'{{"email": "a@example.com", "password": "{SECRET}"}}',
        f"{{'newPassword': '{SECRET}'}}",
        f'password: "{SECRET}"',
        f'refresh_token: "{REFRESH}"',
        f"client-secret = {SECRET}",
        f"x-api-key: {SECRET}",
        f"set-cookie: {SECRET}",
        f"verificationCode={SECRET}",
        f"mongodb://auth:{SECRET}@127.0.0.1:27017/auth?x=1",
        f"cannot connect to amqp://{SECRET}@broker:5672//",
        f"mongodb://auth:p@{SECRET}@127.0.0.1:27017/auth",
        f"GET /api/v1/me/notifications:stream?ticket={SECRET}&x=1",
        f"pwd={SECRET}",
        f"smtp_pass = {SECRET}",
        f"userPwd: {SECRET}",
        f'[("x-password", "{SECRET}")]',
        f"[('x-password','{SECRET}'), ('a', 'b')]",
        f'[["x-password", "{SECRET}"]]',
        f"((b'x-auth-token', b'{SECRET}'),)",
        f"_Metadatum(key='x-password', value='{SECRET}')",
        f'{{"name": "sessionCookie", "value": "{SECRET}"}}',
        f'"{{\\"password\\": \\"{SECRET}\\"}}"',
        f"passwords=['{SECRET}', 'b']",
        f"b'password': b'{SECRET}'",
        f"X-Amz-Signature={SECRET}",
    ],
    # Tokens differ from one process to the next.
    ids=lambda text: text.split()[0],
)
def test_a_secret_in_a_text_is_known_by_its_shape(text: str) -> None:
    found = redact_text(text)
    assert REDACTED in found
    assert not [secret for secret in (SECRET, ACCESS[:40], REFRESH) if secret in found], found


@pytest.mark.parametrize(
    "text",
    [
        'email: "ann.lee+work@mail.example.de"',
        "550 <ann.lee@example.de>: no such user",
        "no account of ann.lee@example.de.",
        "to=ann.lee%40example.de",
        "ann.lee@münchen.example",
        "phone: +49 170 1234567",
        'code: "01234567"',
        "code=01234567 is wrong",
    ],
)
def test_personal_data_and_codes_are_known_by_their_shape(text: str) -> None:
    found = redact_text(text)
    assert REDACTED in found
    assert not [known for known in ("ann", "lee", "170", "1234567") if known in found], found


@pytest.mark.parametrize(
    "name",
    [
        *("ticket", "stream_ticket", "pwd", "userPwd", "smtp_pass", "pass", "otp", "IC_DATA_KEY", "apiKey"),
        *("x-password", "newPassword", "idToken", "companyEmail", "email", "phone", "X-Amz-Signature"),
    ],
)
def test_a_secret_field_is_known_by_the_words_of_its_name(name: str) -> None:
    assert redact_fields([(name, SECRET)]) == {name: REDACTED}


@pytest.mark.parametrize(
    "name", ["passed", "compass", "routing_key", "path", "email_verified", "status_code", "spin", "shape"]
)
def test_other_names_are_no_secrets(name: str) -> None:
    assert redact_fields([(name, "value")]) == {name: "value"}
    assert redact_text(f"{name}=value, {name}: value") == f"{name}=value, {name}: value"


def test_a_pair_of_a_name_and_its_value_is_a_field() -> None:
    fields = {
        "metadata": [("x-password", SECRET), (b"x-auth-token", SECRET.encode()), ("accept", "*/*")],
        "headers": [{"key": "x-password", "value": SECRET}, {"name": "accept", "value": "*/*"}],
        "code": "01234567",
        "has_password": True,
    }
    assert redact_fields(fields.items()) == {
        "metadata": [["x-password", REDACTED], ["x-auth-token", REDACTED], ["accept", "*/*"]],
        "headers": [{"key": "x-password", "value": REDACTED}, {"name": "accept", "value": "*/*"}],
        "code": REDACTED,
        "has_password": True,
    }


def test_the_rest_of_a_text_stays_as_it_is() -> None:
    text = "listing int_01JD0000000000000000000000 of usr_1 at https://example.com/a?page=2: 3 of 4"
    assert redact_text(text) == text
    assert redact_text(f"GET /x?a=1&token={SECRET}&b=2") == f"GET /x?a=1&token={REDACTED}&b=2"


def test_secrets_are_found_at_every_depth_and_in_every_kind_of_value() -> None:
    request = auth_pb2.LoginRequest(email="sam@example.com", password=SECRET)
    fields = {
        "a": {"b": [{"c": (f"Bearer {ACCESS}",)}]},
        "error": ValueError(f"no account with password={SECRET}"),
        "request": request,
        "raw": f'{{"password":"{SECRET}"}}'.encode(),
        "names": {f"token={SECRET}"},
        "count": 3,
    }
    written = str(redact_fields(fields.items()))
    assert SECRET not in written
    assert ACCESS not in written
    assert "'count': 3" in written


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "token",
        "token=",
        "a",
        "://",
        "ses_",
        "Bearer ",
        "'password':'",
        '"\\',
        "a@",
        "a.",
        "('a',",
        "code=",
        "\\",
    ],
)
def test_a_hostile_text_is_looked_through_in_no_time(piece: str) -> None:
    began = time.process_time()
    assert len(redact_text(piece * 1_000_000)) <= 8 * MAX_TEXT_CHARS
    assert time.process_time() - began < 1.0
