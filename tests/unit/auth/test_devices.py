from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.devices import DEVICE_LIFE, Device, DeviceOwner, recognise_device

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY = b"k" * 32
ADA = DeviceOwner("usr_1", 1)
LAPTOP = Device(b"laptop-no-01")
TOKEN = LAPTOP.encode_token(KEY, ADA, NOW)


def test_a_device_is_recognised_by_its_token_for_a_year() -> None:
    assert recognise_device(["", "x", TOKEN], [KEY], ADA, NOW + DEVICE_LIFE - timedelta(seconds=1)) == LAPTOP
    assert recognise_device([TOKEN], [KEY], ADA, NOW + DEVICE_LIFE) is None


@pytest.mark.parametrize(
    "owner", [DeviceOwner("usr_2", 1), DeviceOwner("usr_1", 2)], ids=("other", "new-password")
)
def test_a_token_is_good_for_one_account_and_password_only(owner: DeviceOwner) -> None:
    assert recognise_device([TOKEN], [KEY], owner, NOW) is None


def test_a_token_of_another_key_is_nobodys() -> None:
    assert recognise_device([TOKEN], [b"x" * 32], ADA, NOW) is None


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABCDEFxyz019-_"))
def test_a_token_that_was_changed_anywhere_is_nobodys(at: int, letter: str) -> None:
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    assert changed == TOKEN or recognise_device([changed], [KEY], ADA, NOW) is None


@given(st.text(max_size=60))
def test_any_text_at_all_is_read_without_an_error(text: str) -> None:
    assert recognise_device([text, TOKEN], [KEY], ADA, NOW) == LAPTOP


def test_a_token_of_a_former_key_is_recognised() -> None:
    assert recognise_device([TOKEN], [b"n" * 32, KEY], ADA, NOW) == LAPTOP
