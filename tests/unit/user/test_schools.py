from dataclasses import replace

import pytest

from services.user.domain.schools import (
    find_school,
    find_verified_school,
    is_school_address,
    is_student_verified,
)
from tests.unit.user.samples import PROFILE


@pytest.mark.parametrize(
    "address", ["a@uni-hamburg.de", "a@CS.OX.AC.UK", "a@student.uni-hamburg.de", " a@mit.edu "]
)
def test_an_address_at_a_school_is_one(address: str) -> None:
    assert is_school_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a@gmail.com",
        "a@example.com",
        "a@uni-hamburg.de.example.com",
        "a@notuni-hamburg.de",
        "mit.edu@example.com",
        "no address",
        "a@b@mit.edu",
        "a@alumni.stanford.edu",
    ],
)
def test_any_other_address_is_none_and_neither_is_that_of_alumni(address: str) -> None:
    assert not is_school_address(address)


def test_the_school_is_named_where_the_list_does() -> None:
    assert find_school("a@uni-hamburg.de") == "Universität Hamburg"
    assert find_school("a@example.com") == ""


def test_only_a_proven_address_verifies_a_student() -> None:
    student = replace(PROFILE, email="ada@uni-hamburg.de")
    assert is_student_verified(student)
    assert find_verified_school(student) == "Universität Hamburg"
    unproven = replace(student, email_verified=False)
    assert not is_student_verified(unproven)
    assert find_verified_school(unproven) == ""
