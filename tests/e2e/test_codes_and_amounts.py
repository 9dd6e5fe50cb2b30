"""Codes, amounts, dates and levels over HTTP, as real people write them."""

import secrets

import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import sample_listing


def violations(person: ApiUser, method: str, path: str, **call: object) -> dict[str, str]:
    with pytest.raises(ApiError) as refused:
        person.call(method, path, **call)  # type: ignore[arg-type]
    assert refused.value.status == 400
    return refused.value.violations


def test_codes_that_are_none_are_named_with_what_to_write(owner: ApiUser, student: ApiUser) -> None:
    body = sample_listing("codes") | {"eligibility": {"workAuthorisation": ["ZZ"]}}
    body["locations"] = [{"city": "London", "country": "UK"}]
    body["compensation"] = body["compensation"] | {"currency": "DEM"}
    wrong = violations(owner, "POST", "/api/v1/internships", body=body)
    assert "`GB`" in wrong["locations[0].country"]
    assert "`EUR`" in wrong["compensation.currency"]
    assert "eligibility.workAuthorisation[0]" in wrong
    assert violations(student, "GET", "/api/v1/internships", parameters={"country": "UK"}).keys() == {
        "country"
    }
    assert violations(student, "GET", "/api/v1/internships", parameters={"currency": "XAU"}).keys() == {
        "currency"
    }
    profile = {"student": {"location": {"country": "de"}, "workAuthorisation": ["EL"]}}
    wrong = violations(student, "PATCH", "/api/v1/users/me", body=profile)
    assert "`DE`" in wrong["student.location.country"]
    assert "`GR`" in wrong["student.workAuthorisation[0]"]


def test_pay_beyond_32_bits_is_a_number_and_is_sorted_in_its_currency_only(
    owner: ApiUser, student: ApiUser
) -> None:
    word = f"w{secrets.token_hex(4)}"
    amounts = {"IRR": [9_000_000_000_000, 7_000_000_000_001], "EUR": [200_000]}
    for currency, pays in amounts.items():
        for pay in pays:
            paid = {"paid": True, "minMinor": pay, "currency": currency, "unit": "PAY_UNIT_HOUR"}
            draft = owner.post("/api/v1/internships", **sample_listing(word) | {"compensation": paid})
            assert draft["compensation"]["minMinor"] == pay
            assert draft["effectiveHourlyPayMinor"] == pay
            owner.post(f"/api/v1/internships/{draft['id']}:publish")
    query = {"q": word, "currency": "IRR", "sort": "INTERNSHIP_SORT_PAY"}

    def both() -> list[Json] | None:
        found = student.get("/api/v1/internships", **query)["data"]
        return found if len(found) == 2 else None

    hits = wait_for_result(both, "both listings in rials")
    assert [hit["effectiveHourlyPayMinor"] for hit in hits] == amounts["IRR"]
    most = student.get("/api/v1/internships", **query, minHourlyPayMinor=8_000_000_000_000)["data"]
    assert [hit["effectiveHourlyPayMinor"] for hit in most] == [9_000_000_000_000]
    unsorted = {"sort": "INTERNSHIP_SORT_PAY"}
    assert violations(student, "GET", "/api/v1/internships", parameters=unsorted).keys() == {"currency"}


@pytest.mark.parametrize("amount", [0.5, -1, 1e17, "NaN"])
def test_an_amount_that_is_no_whole_number_is_refused_by_its_field(owner: ApiUser, amount: object) -> None:
    body = sample_listing("amount")
    body["compensation"] = body["compensation"] | {"minMinor": amount}
    assert "compensation.minMinor" in violations(owner, "POST", "/api/v1/internships", body=body)


def test_a_real_cv_comes_back_as_it_was_written(student: ApiUser) -> None:
    part = {
        "education": [{"institution": "TU Berlin", "start": "2024", "end": "2027-09"}],
        "experience": [{"organisation": "Acme", "start": "2023-05", "end": "2023"}],
        "languages": [{"name": "German", "fluency": "Native"}, {"name": "English", "fluency": "c1"}],
    }
    me = student.patch("/api/v1/users/me", student=part)["student"]
    assert [(each["start"], each["end"]) for each in me["education"]] == [("2024", "2027-09")]
    assert [(each["start"], each["end"]) for each in me["experience"]] == [("2023-05", "2023")]
    assert [each["fluency"] for each in me["languages"]] == ["native", "C1"]
