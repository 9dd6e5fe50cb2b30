"""Passkeys over HTTP, with an authenticator in software: added, used, removed."""

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from devstack.journey.client import ApiError, ApiUser, Json
from tests.e2e.conftest import NewPerson
from tests.software_authenticator import SoftwareAuthenticator
from tests.stack import StackHandle

PASSKEYS = "/api/v1/auth/passkeys"


def new_device(stack: StackHandle, **fields: Any) -> SoftwareAuthenticator:
    """Return a device whose browser shows the gateway under the name that browsers take for passkeys."""
    gateway = urlsplit(stack.gateway_url)
    origin = f"{gateway.scheme}://localhost:{gateway.port}"
    return SoftwareAuthenticator(origin, "localhost", **fields)


def add(person: ApiUser, device: SoftwareAuthenticator, name: str = "Laptop") -> Json:
    begun = person.post(f"{PASSKEYS}:beginRegistration")
    return person.post(
        PASSKEYS, ticket=begun["ticket"], credential=device.create(begun["options"]), name=name
    )


def sign_in(visitor: ApiUser, device: SoftwareAuthenticator) -> Json:
    begun = visitor.post(f"{PASSKEYS}:beginSignIn")
    answer = visitor.post(
        f"{PASSKEYS}:completeSignIn", ticket=begun["ticket"], credential=device.get(begun["options"])
    )
    data: Json = answer["data"]
    return data


def visitor_of(stack: StackHandle) -> ApiUser:
    return ApiUser(stack.gateway_url, stack.mailbox_url, "visitor@example.com", trust=stack.trust)


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def reason_of(refused: pytest.ExceptionInfo[ApiError]) -> str:
    return refused.value.reason


def test_a_passkey_signs_in_without_a_password(stack: StackHandle, new_person: NewPerson) -> None:
    person, device = new_person(), new_device(stack, sign_count=1)
    added = add(person, device)
    assert (added["name"], added["refused"]) == ("Laptop", False)
    session = sign_in(visitor_of(stack), device)
    assert session["user"]["id"] == person.user["id"]
    assert claims_of(session["tokens"]["accessToken"])["amr"] == ["hwk", "user", "mfa"]
    [listed] = person.get(PASSKEYS)["data"]
    assert listed["id"] == added["id"]
    assert listed["lastUseTime"]


def test_a_passkey_proves_the_person_again(stack: StackHandle, new_person: NewPerson) -> None:
    person, device = new_person(), new_device(stack)
    add(person, device)
    begun = person.post(f"{PASSKEYS}:beginSignIn")
    answer = person.post(
        f"{PASSKEYS}:reauthenticate", ticket=begun["ticket"], credential=device.get(begun["options"])
    )
    claims = claims_of(answer["tokens"]["accessToken"])
    assert claims["sid"] == claims_of(person.access_token)["sid"]
    assert "mfa" in claims["amr"]


def test_another_persons_passkey_proves_nothing(stack: StackHandle, new_person: NewPerson) -> None:
    person, other, device = new_person(), new_person(), new_device(stack)
    add(other, device)
    begun = person.post(f"{PASSKEYS}:beginSignIn")
    with pytest.raises(ApiError) as refused:
        person.post(
            f"{PASSKEYS}:reauthenticate", ticket=begun["ticket"], credential=device.get(begun["options"])
        )
    assert reason_of(refused) == "PASSKEY_INVALID"


def test_an_answer_signs_in_once(stack: StackHandle, new_person: NewPerson) -> None:
    person, device, visitor = new_person(), new_device(stack), visitor_of(stack)
    add(person, device)
    begun = visitor.post(f"{PASSKEYS}:beginSignIn")
    answer = {"ticket": begun["ticket"], "credential": device.get(begun["options"])}
    visitor.post(f"{PASSKEYS}:completeSignIn", **answer)
    with pytest.raises(ApiError) as refused:
        visitor.post(f"{PASSKEYS}:completeSignIn", **answer)
    assert reason_of(refused) == "PASSKEY_INVALID"


def test_unknown_devices_other_sites_and_nonsense_are_refused(
    stack: StackHandle, new_person: NewPerson
) -> None:
    person, device, visitor = new_person(), new_device(stack), visitor_of(stack)
    add(person, device)
    unknown = new_device(stack, user_handle=device.user_handle)
    phished = new_device(stack, credential_id=device.credential_id, user_handle=device.user_handle)
    phished.origin = "https://internshipconnect.example.net"
    for fake in (unknown, phished):
        with pytest.raises(ApiError) as refused:
            sign_in(visitor, fake)
        assert reason_of(refused) == "PASSKEY_INVALID"
    begun = visitor.post(f"{PASSKEYS}:beginSignIn")
    with pytest.raises(ApiError) as refused:
        visitor.post(f"{PASSKEYS}:completeSignIn", ticket=begun["ticket"], credential='{"id": [')
    assert reason_of(refused) == "PASSKEY_INVALID"


def test_a_removed_passkey_signs_in_no_more(stack: StackHandle, new_person: NewPerson) -> None:
    person, device = new_person(), new_device(stack)
    added = add(person, device)
    renamed = person.post(f"{PASSKEYS}/{added['id']}:rename", name="Phone")
    assert renamed["name"] == "Phone"
    person.call("DELETE", f"{PASSKEYS}/{added['id']}")
    assert person.get(PASSKEYS)["data"] == []
    with pytest.raises(ApiError) as refused:
        sign_in(visitor_of(stack), device)
    assert reason_of(refused) == "PASSKEY_INVALID"
    add(person, device)


def test_a_name_that_breaks_the_line_is_refused(stack: StackHandle, new_person: NewPerson) -> None:
    with pytest.raises(ApiError) as refused:
        add(new_person(), new_device(stack), "Laptop\nX-Injected: yes")
    assert reason_of(refused) == "INVALID_FIELD"
