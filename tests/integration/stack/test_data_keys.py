"""`ic keys` on a running stack: people stay signed in, and nothing needs the former key any more."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pyotp
import pytest

from devstack import data_keys
from devstack.credentials import Credentials
from devstack.journey.client import ApiError, ApiUser
from devstack.journey.main_journey import JOURNEY_PASSWORD
from ops.data_keys import read_data_key_status
from ops.progress import StepProgress
from tests.integration.stack.restored_stack import ic
from tests.stack import StackHandle

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]


@pytest.fixture
def keyed_stack(stack: StackHandle) -> Iterator[StackHandle]:
    """Yield the stack, and give its first key back afterwards: other tests have read it."""
    first = stack.credentials.services["auth"].data_key
    yield stack
    credentials = Credentials.load_or_create(stack.topology)
    own = credentials.services["auth"]
    if own.data_key == first:
        return
    own.other_data_keys = [own.data_key, *own.other_data_keys]
    own.data_key = first
    credentials.save(stack.topology)
    data_keys.restart_services(stack.topology, StepProgress())
    cluster = StackHandle.of(stack.topology).cluster
    data_keys.wait_until_renewed(lambda: read_data_key_status(cluster).left, lambda _: None)
    data_keys.retire_data_keys(stack.topology, "auth", datetime.now(UTC), at_once=True)
    data_keys.restart_services(stack.topology, StepProgress())


def person_of(stack: StackHandle) -> ApiUser:
    person = ApiUser(stack.gateway_url, stack.mailbox_url, f"keys.{secrets.token_hex(6)}@example.com")
    person.register(password=JOURNEY_PASSWORD, name="Ada Lindqvist")
    person.verify()
    return person


def test_a_data_key_is_replaced_and_people_stay_signed_in(keyed_stack: StackHandle) -> None:
    name = keyed_stack.topology.name
    person, absent = person_of(keyed_stack), person_of(keyed_stack)
    path = "/api/v1/auth/second-factors/authenticator"
    secret = person.post(f"{path}:begin")["secret"]
    person.post(f"{path}:confirm", code=pyotp.TOTP(secret).now())

    ic("keys", "rotate", "auth", stack=name)

    assert "0 secrets wait" in ic("keys", "status", stack=name)
    person.refresh()
    assert "valid until" in ic("keys", "retire", "auth", stack=name, expected=1)
    ic("keys", "retire", "auth", "--at-once", stack=name)
    person.refresh()
    with pytest.raises(ApiError) as refused:
        absent.refresh()
    assert refused.value.reason == "INVALID_REFRESH_TOKEN"
    absent.log_in(JOURNEY_PASSWORD)
