"""Every résumé that was taken is read once, though the workers that read them are killed."""

import time
from itertools import islice
from typing import Final

import httpx
import pytest
from pymongo import MongoClient

from devstack.journey.client import Json, wait_for_result
from devstack.seed.signed_in_users import SignedInUser
from tests.faults.user_pool import UserPool
from tests.stack import StackHandle
from verify.resumes.sample_set import generate_resumes

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

KILLS: Final = 4
RESUMES_PER_KILL: Final = 4
PAUSE_S: Final = 0.7
"""About as long as one file takes, so that the others wait or are being read."""


def upload(stack: StackHandle, student: SignedInUser, content: bytes) -> str:
    """Return the ID of a résumé whose content was acknowledged."""
    with httpx.Client(
        base_url=stack.gateway_url, headers=student.headers, verify=stack.trust, timeout=30
    ) as client:
        fields = {"kind": "DOCUMENT_KIND_RESUME", "name": "Resume.pdf"}
        begun = client.post("/api/v1/documents", json=fields).raise_for_status().json()
        client.put(begun["uploadUrl"], content=content).raise_for_status()
        return str(begun["document"]["id"])


def drafts_of(stack: StackHandle, document_ids: list[str]) -> list[Json]:
    found: list[Json] = []
    for uri in stack.admin_uris().values():
        with MongoClient[Json](uri) as client:
            found += client["ic_user"]["resume_drafts"].find({"_id": {"$in": document_ids}}).to_list()
    return found


def test_every_resume_is_read_once_though_the_worker_is_killed_amid_reading(
    stack: StackHandle, crowd: UserPool
) -> None:
    samples = iter(zip(crowd.students, generate_resumes(), strict=False))
    before, uploaded = stack.restart_count("user-work"), list[str]()
    for _ in range(KILLS):
        for student, sample in islice(samples, RESUMES_PER_KILL):
            uploaded.append(upload(stack, student, sample.content))
        time.sleep(PAUSE_S)
        stack.kill("user-work")
        stack.await_ready("user-work")
    assert stack.restart_count("user-work") >= before + KILLS

    def all_ready() -> bool | None:
        ready = [each for each in drafts_of(stack, uploaded) if each["state"] == "READY"]
        return len(ready) == KILLS * RESUMES_PER_KILL or None

    wait_for_result(all_ready, "every résumé to be read")
    assert {each["version"] for each in drafts_of(stack, uploaded)} == {1}
