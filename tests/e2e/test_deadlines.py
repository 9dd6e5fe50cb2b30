"""Deadlines with their zone over HTTP, and what the edge keeps of a listing whose clock runs out."""

import secrets
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from devstack.journey.client import ApiError, ApiUser
from devstack.journey.main_journey import sample_listing
from tests.stack import StackHandle


def without_deadline(marker: str) -> dict[str, object]:
    return {name: value for name, value in sample_listing(marker).items() if name != "applyDeadline"}


def test_a_day_is_stored_with_its_zone_and_shown_in_it(owner: ApiUser) -> None:
    body = without_deadline(f"zone {secrets.token_hex(4)}")
    year = datetime.now(UTC).year + 1
    day = {"applyDeadlineDate": f"{year}-06-30", "applyDeadlineZone": "Europe/Berlin"}
    draft = owner.post("/api/v1/internships", **body, **day)
    assert draft["applyDeadline"] == f"{year}-06-30T21:59:59Z"
    assert {name: draft[name] for name in day} == day
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    meant = f"{year}-06-30 23:59 (UTC+02:00, Europe/Berlin)"
    owner.await_mail(lambda mail: meant in mail["text"] and str(body["title"]) in mail["text"])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"applyDeadlineZone": "Mars/Olympus"}, "applyDeadlineZone"),
        ({"applyDeadlineDate": "2029-02-30"}, "applyDeadlineDate"),
        ({"applyDeadlineDate": "2029-06-30", "applyDeadline": "2029-06-01T00:00:00Z"}, "applyDeadlineDate"),
    ],
)
def test_a_zone_or_day_that_there_is_not_is_named(owner: ApiUser, wrong: dict[str, str], field: str) -> None:
    with pytest.raises(ApiError) as refused:
        owner.post("/api/v1/internships", **without_deadline("x"), **wrong)
    assert [name.rpartition(".")[2] for name in refused.value.violations] == [field]


def test_no_cache_keeps_a_listing_beyond_its_deadline(stack: StackHandle, owner: ApiUser) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=8)
    deadline = {"applyDeadline": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    draft = owner.post("/api/v1/internships", **without_deadline("soon"), **deadline)
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    with httpx.Client(base_url=stack.gateway_url, verify=stack.trust, trust_env=False) as client:
        path = f"/api/v1/internships/{draft['id']}"
        first = client.get(path)
        assert first.json()["openForApplications"] is True
        assert first.json()["daysLeft"] == 1
        [max_age] = [
            part for part in first.headers["cache-control"].split(", ") if part.startswith("max-age=")
        ]
        assert int(max_age.removeprefix("max-age=")) <= 8
        assert "x-fresh-for" not in first.headers
        time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 0.2)
        late = client.get(path).json()
        assert (late["openForApplications"], late["daysLeft"]) == (False, 0)
