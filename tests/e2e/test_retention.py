"""A company's rule for keeping applications over HTTP."""

from collections.abc import Callable

import pytest

from devstack.journey.client import ApiError, ApiUser

NewPerson = Callable[..., ApiUser]
RULE = "/api/v1/companies/me/retention-rule"


def test_an_owner_reads_and_changes_the_companys_rule(new_person: NewPerson) -> None:
    owner = new_person(company="Acme")
    assert owner.get(RULE) == {"days": 183}
    assert owner.call("PUT", RULE, body={"days": 120}) == {"days": 120}
    assert owner.get(RULE) == {"days": 120}
    for days in (89, 731):
        with pytest.raises(ApiError) as refused:
            owner.call("PUT", RULE, body={"days": days})
        assert "days" in refused.value.violations


def test_students_have_no_rule_and_hold_nothing(new_person: NewPerson) -> None:
    student = new_person()
    with pytest.raises(ApiError, match="PERMISSION_DENIED"):
        student.get(RULE)
    with pytest.raises(ApiError, match="PERMISSION_DENIED"):
        student.post("/api/v1/applications/app_01JD0000000000000000000000:placeHold", reason="mine")
