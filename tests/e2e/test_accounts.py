"""Accounts over HTTP: forgotten passwords, other addresses, sessions."""

import re
import secrets
from typing import Final

import pyotp
import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD
from tests.e2e.conftest import NewPerson

NEW_PASSWORD: Final = "several unrelated quiet words"
CODE: Final = re.compile(r"\b(\d{8})\b")


def _newest_code(person: ApiUser, subject: str) -> str:
    mail = person.await_mail(lambda mail: subject in mail["subject"])
    found = CODE.search(mail["text"])
    assert found is not None
    return found[1]


def _another_device(person: ApiUser, password: str = JOURNEY_PASSWORD) -> ApiUser:
    device = ApiUser(person.base_url, person.mailbox_url, person.email)
    device.log_in(password)
    return device


def _refusal(person: ApiUser, path: str, **body: object) -> ApiError:
    with pytest.raises(ApiError) as refused:
        person.post(path, **body)
    return refused.value


def test_a_forgotten_password_is_replaced_by_the_code_from_the_mail(new_person: NewPerson) -> None:
    person = new_person()
    nobody = ApiUser(person.base_url, person.mailbox_url, f"nobody.{secrets.token_hex(6)}@example.com")
    path = "/api/v1/auth/request-password-reset"
    assert person.post(path, email=person.email) == nobody.post(path, email=nobody.email)
    code = _newest_code(person, "new password")
    assert nobody.mails() == []
    body: Json = {"email": person.email, "code": code, "newPassword": NEW_PASSWORD}
    person.post("/api/v1/auth/reset-password", **body)
    assert _refusal(person, "/api/v1/auth/reset-password", **body).reason == "INVALID_RESET_CODE"
    wait_for_result(lambda: _is_signed_out(person), "the session to end everywhere")
    _another_device(person, NEW_PASSWORD)
    person.await_mail(lambda mail: "password was changed" in mail["subject"])


def _is_signed_out(person: ApiUser) -> bool | None:
    try:
        person.get("/api/v1/users/me")
    except ApiError as error:
        return error.reason == "SESSION_REVOKED" or None
    return None


def test_a_password_is_changed_with_the_present_one(new_person: NewPerson) -> None:
    person = new_person()
    path = "/api/v1/auth/change-password"
    refused = _refusal(person, path, password="not it at all", newPassword=NEW_PASSWORD)
    assert list(refused.violations) == ["password"]
    answer = person.post(path, password=JOURNEY_PASSWORD, newPassword=NEW_PASSWORD)
    person.access_token = answer["data"]["tokens"]["accessToken"]
    assert person.get("/api/v1/users/me")["email"] == person.email
    assert len(person.get("/api/v1/auth/sessions")["data"]) == 1


def test_an_address_is_changed_and_both_are_told(new_person: NewPerson) -> None:
    person = new_person()
    address = f"Other.{secrets.token_hex(6)}@Example.com"
    other = ApiUser(person.base_url, person.mailbox_url, address)
    person.post("/api/v1/auth/request-email-change", email=address, password=JOURNEY_PASSWORD)
    code = _newest_code(other, "this address")
    assert address in person.await_mail(lambda mail: "another address" in mail["subject"])["text"]
    refused = _refusal(person, "/api/v1/auth/confirm-email-change", code="00000000")
    assert refused.reason == "INVALID_EMAIL_CODE"
    assert person.post("/api/v1/auth/confirm-email-change", code=code)["user"]["email"] == address
    person.await_mail(lambda mail: "has another address" in mail["subject"])
    other.await_mail(lambda mail: "address of your account now" in mail["subject"])
    other.log_in(JOURNEY_PASSWORD)
    with pytest.raises(ApiError):
        person.log_in(JOURNEY_PASSWORD)


def test_sessions_are_seen_and_ended(new_person: NewPerson) -> None:
    person = new_person()
    phone, tablet = _another_device(person), _another_device(person)
    sessions = person.get("/api/v1/auth/sessions")["data"]
    assert [each.get("current", False) for each in sessions].count(True) == 1
    assert {each["area"].rpartition(".")[0] for each in sessions} >= {phone.address.rpartition(".")[0]}
    assert all("python-httpx" in each["device"] for each in sessions)
    tablet.access_token = ""
    own = next(each["id"] for each in phone.get("/api/v1/auth/sessions")["data"] if each.get("current"))
    phone.access_token = ""
    person.call("DELETE", f"/api/v1/auth/sessions/{own}")
    body = {"refreshToken": phone.refresh_token}
    assert _refusal(phone, "/api/v1/auth/refresh", **body).reason == "INVALID_REFRESH_TOKEN"
    assert person.post("/api/v1/auth/sessions:endOthers")["ended"] == 1
    body = {"refreshToken": tablet.refresh_token}
    assert _refusal(tablet, "/api/v1/auth/refresh", **body).reason == "INVALID_REFRESH_TOKEN"
    assert len(person.get("/api/v1/auth/sessions")["data"]) == 1


def test_a_code_is_sent_again(new_person: NewPerson) -> None:
    person = new_person(verified=False)
    _newest_code(person, "Your code")
    before = len(person.mails())
    person.post("/api/v1/auth/resend-code", email=person.email)
    person.await_mail(lambda _: len(person.mails()) > before)
    person.verify()


def test_an_authenticator_app_guards_the_account(new_person: NewPerson) -> None:
    person = new_person()
    path = "/api/v1/auth/second-factors"
    made = person.post(f"{path}/authenticator:begin")
    assert made["uri"].startswith("otpauth://totp/InternshipConnect:")
    app = pyotp.TOTP(made["secret"])
    answer = person.post(f"{path}/authenticator:confirm", code=app.now())
    person.access_token = answer["tokens"]["accessToken"]
    assert person.get(path)["recoveryCodesLeft"] == len(answer["recoveryCodes"]) == 10
    device = ApiUser(person.base_url, person.mailbox_url, person.email)
    fields: Json = {"email": person.email, "password": JOURNEY_PASSWORD}
    assert _refusal(device, "/api/v1/auth/login", **fields).reason == "SECOND_FACTOR_REQUIRED"
    signed_in = device.post("/api/v1/auth/login", **fields, secondFactor=answer["recoveryCodes"][0])
    device.access_token = signed_in["data"]["tokens"]["accessToken"]
    assert device.get(path)["recoveryCodesLeft"] == 9
    person.await_mail(lambda mail: "protection of your account" in mail["subject"])
    person.call("DELETE", f"{path}/authenticator")
    _another_device(person)
