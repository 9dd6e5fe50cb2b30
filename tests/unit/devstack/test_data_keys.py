"""The data keys of a local stack."""

from datetime import UTC, datetime, timedelta

import pytest

from devstack.credentials import Credentials
from devstack.data_keys import MAX_USE, retire_data_keys, rotate_data_key
from devstack.services import service_environment
from devstack.topology import Topology
from ops.errors import OpsError

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def variables(stack: Topology, service: str) -> tuple[str, str]:
    environment = service_environment(stack, Credentials.load_or_create(stack), service, "serve")
    return environment["IC_DATA_KEY"], environment["IC_OTHER_DATA_KEYS"]


def test_a_former_key_is_accepted_until_it_is_retired(stack: Topology) -> None:
    first, none = variables(stack, "auth")
    assert none == ""
    others = variables(stack, "user")
    rotate_data_key(stack, "auth", NOW)
    second, accepted = variables(stack, "auth")
    assert second != first
    assert accepted == first
    rotate_data_key(stack, "auth", NOW)
    third, accepted = variables(stack, "auth")
    assert accepted == f"{second},{first}"
    retire_data_keys(stack, "auth", NOW + MAX_USE, at_once=False)
    assert variables(stack, "auth") == (third, "")
    assert variables(stack, "user") == others


def test_a_key_is_kept_while_something_that_it_signed_is_valid(stack: Topology) -> None:
    rotate_data_key(stack, "auth", NOW)
    keys = variables(stack, "auth")
    with pytest.raises(OpsError, match="valid until 2027-01-31"):
        retire_data_keys(stack, "auth", NOW + MAX_USE - timedelta(seconds=1), at_once=False)
    assert variables(stack, "auth") == keys
    retire_data_keys(stack, "auth", NOW, at_once=True)
    assert variables(stack, "auth") == (keys[0], "")


def test_what_is_not_there_is_said(stack: Topology) -> None:
    with pytest.raises(OpsError, match="no former data key"):
        retire_data_keys(stack, "auth", NOW, at_once=True)
    with pytest.raises(OpsError, match="no service 'mail'; there are: "):
        rotate_data_key(stack, "mail", NOW)
