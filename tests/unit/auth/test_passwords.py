import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.auth.domain.passwords import (
    MIN_PASSWORD_BESIDE_FACTOR_CHARS,
    MIN_PASSWORD_CHARS,
    canonical_password,
    check_password,
    check_password_length,
    is_short_password,
)


@pytest.mark.parametrize(
    "password",
    [
        "password123",
        "P@ssw0rd1234",
        "qwertyuiop",
        "1234567890",
        "aaaaaaaaaaaa",
        "abcdefghijkl",
        "aaaaaaaaaa" * 5,
        "passwordpassword",
        "1234567890123456",
    ],
)
def test_a_common_password_is_refused_by_field_beside_a_second_factor_too(password: str) -> None:
    with pytest.raises(DomainError) as failure:
        check_password(password, has_second_factor=True)
    assert failure.value.reason == "INVALID_FIELD"
    assert [violation.field for violation in failure.value.violations] == ["password"]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "violet anchor prism",
        "müde grüne Ähren fließen",
        "aaaaaaaaaaaaaaaaKx9#mQ2$vL7pzW",
        " ".join(["several unrelated quiet words"] * 4),
    ],
)
def test_a_password_that_is_hard_to_guess_is_admitted(password: str) -> None:
    check_password(password)


def test_a_password_made_of_the_owners_own_words_is_refused() -> None:
    check_password("zbrzezniak1", has_second_factor=True)
    with pytest.raises(DomainError):
        check_password("zbrzezniak1", about=["zbrzezniak@example.test"], has_second_factor=True)


def test_judging_the_longest_password_takes_no_longer_than_hashing_one() -> None:
    started = time.process_time()
    check_password("4@8({[</369&#!1/|0$5+7%2" * 5)
    assert time.process_time() - started < 0.5


def test_one_password_in_two_unicode_spellings_is_one_password() -> None:
    assert canonical_password("Caf\u00e9-Zürich-1") == canonical_password("Cafe\u0301-Zürich-1")


def test_a_password_on_its_own_has_fifteen_characters_and_beside_a_factor_eight() -> None:
    assert (MIN_PASSWORD_CHARS, MIN_PASSWORD_BESIDE_FACTOR_CHARS) == (15, 8)
    check_password("Kx9#mQ2$vL7pzW4")
    check_password("Kx9#mQ2$", has_second_factor=True)
    for password, has_second_factor in (("Kx9#mQ2$vL7pzW", False), ("Kx9#mQ2", True)):
        with pytest.raises(DomainError):
            check_password(password, has_second_factor=has_second_factor)


def test_the_refusal_names_the_length_and_the_reason() -> None:
    with pytest.raises(DomainError) as failure:
        check_password("Kx9#mQ2$vL7pzW", field="new_password")
    [violation] = failure.value.violations
    assert violation.field == "new_password"
    assert "at least 15 characters, as it is all that proves who signs in" in violation.description
    assert "8 are enough" in violation.description


def test_a_letter_that_is_typed_as_two_counts_as_one() -> None:
    assert is_short_password("e\u0301" * 14)
    assert not is_short_password("e\u0301" * 15)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans())
def test_nothing_but_its_length_decides_whether_a_password_is_long_enough(
    text: str, has_second_factor: bool
) -> None:
    length = len(canonical_password(text).decode())
    least = MIN_PASSWORD_BESIDE_FACTOR_CHARS if has_second_factor else MIN_PASSWORD_CHARS
    try:
        check_password_length(text, has_second_factor=has_second_factor)
    except DomainError:
        assert length < least
    else:
        assert length >= least
