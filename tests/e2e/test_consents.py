"""A person's consents over HTTP."""

from collections.abc import Callable
from typing import Final

import pytest

from devstack.journey.client import ApiError, ApiUser

NewPerson = Callable[..., ApiUser]
GIVEN: Final = {
    "purpose": "CONSENT_PURPOSE_MARKETING",
    "textVersion": 1,
    "source": "CONSENT_SOURCE_SETTINGS",
}


def test_a_consent_is_given_and_withdrawn(new_person: NewPerson) -> None:
    student = new_person()
    [marketing, _] = student.get("/api/v1/consents")["data"]
    assert not marketing.get("given") and {each["language"] for each in marketing["texts"]} == {"en", "de"}
    assert student.post("/api/v1/consents:give", **GIVEN)["given"]
    with pytest.raises(ApiError, match="CONSENT_TEXT_OUTDATED"):
        student.post("/api/v1/consents:give", **GIVEN | {"textVersion": 2})
    withdrawn = {"purpose": GIVEN["purpose"], "source": GIVEN["source"]}
    assert not student.post("/api/v1/consents:withdraw", **withdrawn).get("given")
    entries = student.get("/api/v1/consents/entries", purpose=GIVEN["purpose"])["data"]
    assert [bool(each.get("given")) for each in entries] == [True, False]


def test_a_consent_without_a_purpose_is_refused(new_person: NewPerson) -> None:
    with pytest.raises(ApiError) as refused:
        new_person().post("/api/v1/consents:give", textVersion=1, source=GIVEN["source"])
    assert refused.value.reason == "INVALID_FIELD"
    assert "purpose" in refused.value.violations
