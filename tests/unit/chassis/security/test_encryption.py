"""A ciphertext opens with its key and its context, and with nothing else."""

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from chassis.security.encryption import AuthenticatedCipher, derive_key

KEY = bytes(range(32))


@given(plain=st.binary(max_size=200), context=st.text(max_size=40))
def test_what_is_encrypted_is_there_again(plain: bytes, context: str) -> None:
    cipher = AuthenticatedCipher(KEY)
    assert cipher.decrypt(cipher.encrypt(plain, context=context), context=context) == plain


def test_the_same_bytes_look_different_each_time() -> None:
    cipher = AuthenticatedCipher(KEY)
    assert cipher.encrypt(b"a", context="c") != cipher.encrypt(b"a", context="c")


def test_another_key_another_context_and_changed_bytes_open_nothing() -> None:
    sealed = AuthenticatedCipher(KEY).encrypt(b"secret", context="one")
    for cipher, changed, context in (
        (AuthenticatedCipher(bytes(32)), sealed, "one"),
        (AuthenticatedCipher(KEY), sealed, "two"),
        (AuthenticatedCipher(KEY), sealed[:-1] + bytes([sealed[-1] ^ 1]), "one"),
    ):
        with pytest.raises(InvalidTag):
            cipher.decrypt(changed, context=context)


def test_each_purpose_has_a_key_of_its_own_that_stays_the_same() -> None:
    assert derive_key(KEY, "a") == derive_key(KEY, "a")
    assert len({derive_key(KEY, "a"), derive_key(KEY, "b"), derive_key(bytes(32), "a"), KEY}) == 4
    assert len(derive_key(KEY, "a")) == 32
