"""A person's own copy of their data over HTTP."""

import hashlib
import io
import zipfile
from collections.abc import Callable

import httpx
import orjson
import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from tests.stack import StackHandle

NewPerson = Callable[..., ApiUser]


def test_a_student_gets_a_copy_of_their_data_from_all_services(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student = new_person()
    begun = student.post("/api/v1/data-exports")
    assert begun["state"] == "DATA_EXPORT_STATE_REQUESTED"
    with pytest.raises(ApiError, match="DATA_EXPORT_RUNNING"):
        student.post("/api/v1/data-exports")

    def ready() -> Json | None:
        found = student.get(f"/api/v1/data-exports/{begun['id']}")
        return found if found["state"] == "DATA_EXPORT_STATE_READY" else None

    found = wait_for_result(ready, "the copy to be ready")
    assert [each["id"] for each in student.get("/api/v1/data-exports")["data"]] == [begun["id"]]
    link = student.get(f"/api/v1/data-exports/{begun['id']}:downloadUrl")
    answer = httpx.get(link["url"], verify=stack.trust, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert len(answer.content) == found["sizeBytes"]
    assert hashlib.sha256(answer.content).hexdigest() == found["sha256"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        [account] = orjson.loads(archive.read("auth/account.json"))
        [profile] = orjson.loads(archive.read("user/profile.json"))
        [recipient] = orjson.loads(archive.read("notification/recipient.json"))
        assert account["email"] == profile["email"] == recipient["email"]
        assert orjson.loads(archive.read("auth/sessions.json"))
        assert "resume.json" in archive.namelist()

    def announced() -> bool | None:
        entries = student.get("/api/v1/notifications")["data"]
        return any(entry["title"] == "The copy of your data is ready" for entry in entries) or None

    wait_for_result(announced, "the notification of the copy")


def test_a_link_to_a_copy_that_was_changed_opens_nothing(stack: StackHandle, new_person: NewPerson) -> None:
    student = new_person()
    begun = student.post("/api/v1/data-exports")
    url = f"{student.base_url}/api/v1/data-exports/{begun['id']}/content?ticket=bm90IG91cnM"
    refused = httpx.get(url, verify=stack.trust)
    assert refused.status_code == 403
    assert refused.json()["details"][0]["reason"] == "LINK_INVALID"
