"""Data keys and their successors: at no time a process cannot read what another one writes."""

import base64

import pytest
from cryptography.exceptions import InvalidTag

from chassis.security.data_keys import DataKeys, name_data_key

FORMER, NEWEST = b"f" * 32, b"n" * 32
ROUNDS = [DataKeys(FORMER), DataKeys(FORMER, (NEWEST,)), DataKeys(NEWEST, (FORMER,)), DataKeys(NEWEST)]
"""The settings of all processes, one round after the other."""


@pytest.mark.parametrize("number", range(len(ROUNDS) - 1))
def test_processes_of_two_rounds_in_a_row_read_what_the_other_writes(number: int) -> None:
    one, other = (keys.cipher("purpose") for keys in ROUNDS[number : number + 2])
    if number < 2:
        assert other.decrypt(one.encrypt(b"secret", context="usr_1"), context="usr_1") == b"secret"
    assert one.decrypt(other.encrypt(b"secret", context="usr_1"), context="usr_1") == b"secret"


def test_only_what_the_newest_key_encrypted_is_current() -> None:
    former, both = DataKeys(FORMER).cipher("purpose"), DataKeys(NEWEST, (FORMER,)).cipher("purpose")
    sealed = former.encrypt(b"secret", context="usr_1")
    assert not both.is_current(sealed, context="usr_1")
    resealed = both.encrypt(both.decrypt(sealed, context="usr_1"), context="usr_1")
    assert both.is_current(resealed, context="usr_1")
    with pytest.raises(InvalidTag):
        former.decrypt(resealed, context="usr_1")


def test_another_key_purpose_or_context_opens_nothing() -> None:
    keys = DataKeys(NEWEST, (FORMER,))
    sealed = keys.cipher("purpose").encrypt(b"secret", context="usr_1")
    for cipher, context in (
        (DataKeys(b"x" * 32).cipher("purpose"), "usr_1"),
        (keys.cipher("another purpose"), "usr_1"),
        (keys.cipher("purpose"), "usr_2"),
    ):
        with pytest.raises(InvalidTag):
            cipher.decrypt(sealed, context=context)


def test_a_name_tells_keys_apart_and_shows_none_of_them() -> None:
    keys = DataKeys(NEWEST, (FORMER,))
    assert keys.name == name_data_key(NEWEST) != name_data_key(FORMER)
    assert len(keys.name) == 12
    shown = repr(keys)
    assert "nnnn" not in shown and base64.b64encode(NEWEST).decode() not in shown
