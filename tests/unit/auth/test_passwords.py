import time

import pytest

from chassis.errors import DomainError
from services.auth.domain.passwords import canonical_password, check_password


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
    ],
)
def test_a_common_password_is_refused_by_field(password: str) -> None:
    with pytest.raises(DomainError) as failure:
        check_password(password)
    assert failure.value.reason == "INVALID_FIELD"
    assert [violation.field for violation in failure.value.violations] == ["password"]


@pytest.mark.parametrize(
    "password", ["correct horse battery", "Kx9#mQ2$vL7pz", "aaaaaaaaaaaaaaaaKx9#mQ2$vL7pzW"]
)
def test_a_password_that_is_hard_to_guess_is_admitted(password: str) -> None:
    check_password(password)


def test_a_password_made_of_the_owners_own_words_is_refused() -> None:
    check_password("zbrzezniak1")
    with pytest.raises(DomainError):
        check_password("zbrzezniak1", about=["zbrzezniak@example.test"])


def test_judging_the_longest_password_takes_no_longer_than_hashing_one() -> None:
    started = time.process_time()
    check_password("4@8({[</369&#!1/|0$5+7%2" * 5)
    assert time.process_time() - started < 0.5


def test_one_password_in_two_unicode_spellings_is_one_password() -> None:
    assert canonical_password("Caf\u00e9-Zürich-1") == canonical_password("Cafe\u0301-Zürich-1")
