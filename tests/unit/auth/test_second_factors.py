"""Codes of authenticator apps and recovery codes."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.second_factors import (
    RECOVERY_CODE_COUNT,
    STEP,
    authenticator_uri,
    matching_step,
    new_recovery_codes,
    new_secret,
    without_code,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("second", "code"), [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")]
)
def test_the_codes_are_those_of_rfc_6238(second: int, code: str) -> None:
    now = datetime.fromtimestamp(second, UTC)
    assert matching_step(RFC_SECRET, code, now, after=0) == second // 30


@given(apart=st.integers(-5, 5), offset_s=st.integers(0, 29))
def test_a_code_is_good_in_its_step_and_its_neighbours_only(apart: int, offset_s: int) -> None:
    secret, now = new_secret(), NOW + timedelta(seconds=offset_s)
    code = pyotp.TOTP(secret).at(now + apart * STEP)
    step = int(now.timestamp()) // 30 + apart
    # Two steps have the same code once in a million.
    assert matching_step(secret, code, now, after=0) == (step if abs(apart) <= 1 else None)


@given(used=st.integers(-1, 1), typed=st.integers(-1, 1))
def test_a_step_that_was_used_is_refused_and_so_is_an_earlier_one(used: int, typed: int) -> None:
    secret, current = new_secret(), int(NOW.timestamp()) // 30
    code = pyotp.TOTP(secret).at(NOW + typed * STEP)
    found = matching_step(secret, code, NOW, after=current + used)
    assert found == (current + typed if typed > used else None)


def test_ten_recovery_codes_work_once_each_however_they_are_typed() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == len(codes) == RECOVERY_CODE_COUNT
    left = {f"sealed {number}".encode(): code for number, code in enumerate(codes)}
    for sealed, code in dict(left).items():
        typed = code.lower().replace("-", " ")
        after = without_code(left, typed)
        assert after == tuple(each for each in left if each != sealed)
        del left[sealed]
        assert without_code(left, typed) is None
    assert left == {}


def test_another_code_is_none_of_them() -> None:
    one, other, *_ = new_recovery_codes()
    assert without_code({b"sealed": one}, other) is None
    assert without_code({b"sealed": one}, "") is None


def test_apps_read_the_address_with_name_and_secret() -> None:
    read = pyotp.parse_uri(authenticator_uri(RFC_SECRET, "ada@campus.test"))
    assert (read.issuer, read.name, read.secret) == ("InternshipConnect", "ada@campus.test", RFC_SECRET)
