"""The deletion of an account over HTTP: asked for, cancelled, and carried out in every store of the stack."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import redis
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from chassis.messaging.dead_letters import DeadLetterQueues
from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from devstack.journey.sample_resume import sample_resume
from ops.provision import queue_names
from ops.service_names import SERVICES, service_database
from tests.stack import StackHandle, wait_until_blocking

NewPerson = Callable[..., ApiUser]
DELETE: Final = "/api/v1/auth/account:delete"
DELETION: Final = "/api/v1/auth/account/deletion"
CANCEL: Final = "/api/v1/auth/account/deletion:cancel"
ERASURE_TIMEOUT_S: Final = 180.0
"""Two sweeps of each service with the time to settle between them, on a busy machine."""
LEFTOVER_TIMEOUT_S: Final = 60.0
"""Events of the erasure itself arrive within seconds."""


def end_grace(stack: StackHandle, user_id: str) -> None:
    """Move the end of an account's time of grace to now."""
    due = {"$set": {"deletion.due_time": datetime.now(UTC), "deletion.erase_time": datetime.now(UTC)}}
    changed = 0
    for uri in stack.admin_uris().values():
        with MongoClient[Json](uri) as client:
            accounts = client[service_database("auth")]["accounts"]
            changed += accounts.update_one({"_id": user_id, "deletion.state": "PENDING"}, due).matched_count
    assert changed == 1


def stored_with(stack: StackHandle, marker: bytes) -> list[str]:
    """Return where on any shard a text is, as `shard database.collection`."""
    found = []
    for shard, uri in stack.admin_uris().items():
        with MongoClient[RawBSONDocument](uri, document_class=RawBSONDocument) as client:
            for service in SERVICES:
                database = client[service_database(service)]
                found += [
                    f"{shard} {service}.{name}"
                    for name in database.list_collection_names()
                    if any(marker in bytes(each.raw).lower() for each in database[name].find())
                ]
    return found


def cached_with(stack: StackHandle, marker: bytes) -> list[bytes]:
    """Return the keys of all Redis nodes in which, or in whose values, a text is."""
    found = []
    for host, port in stack.redis_nodes:
        with redis.Redis(host=host, port=port, password=stack.credentials.redis_password) as node:
            if node.info("replication")["role"] == "master":
                found += [key for key, content in _contents(node) if marker in (key + content).lower()]
    return found


def _contents(node: "redis.Redis") -> Iterator[tuple[bytes, bytes]]:
    readers: dict[Any, Callable[[Any], Any]] = {
        b"string": node.get,
        b"hash": node.hgetall,
        b"set": node.smembers,
        b"zset": lambda key: node.zrange(key, 0, -1),
        b"list": lambda key: node.lrange(key, 0, -1),
    }
    for key in node.scan_iter(count=1000):
        read = readers.get(node.type(key))
        content = read(key) if read else b""
        yield key, content if isinstance(content, bytes) else repr(content).encode()


def given_up_with(stack: StackHandle, marker: bytes) -> list[str]:
    """Return the dead letters that hold a text."""
    letters = DeadLetterQueues(stack.amqp_url)
    return [
        letter.id
        for queue in queue_names()
        for letter in letters.peek(queue, 1000)
        if marker in str(letter.payload).lower().encode()
    ]


def logged_with(stack: StackHandle, marker: bytes) -> list[str]:
    """Return the logs, but those of the stores, that hold a text."""
    logs = stack.topology.logs_folder.glob("*.log")
    ours = [log for log in logs if not log.name.startswith(("mongo", "redis", "rabbit", "mailbox"))]
    assert ours
    return [log.name for log in ours if marker in log.read_bytes().lower()]


def blobs_with(stack: StackHandle, *texts: bytes) -> list[str]:
    """Return the stored contents whose path, or bytes, hold one of the texts."""
    folder = stack.topology.blobs_folder
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file()
        and any(text in str(path).encode().lower() + path.read_bytes().lower() for text in texts)
    ]


def signed_out(person: ApiUser) -> ApiUser:
    """Return the person at another device, without the token of a session that may have ended."""
    return ApiUser(person.base_url, person.mailbox_url, person.email)


def is_gone(person: ApiUser) -> bool:
    """Return whether nobody can sign in to the account."""
    try:
        signed_out(person).log_in(JOURNEY_PASSWORD)
    except ApiError as refused:
        assert refused.reason == "INVALID_CREDENTIALS"
        return True
    return False


def await_erasure(stack: StackHandle, user_id: str) -> None:
    """Wait until auth has removed the account, which it does when all services have erased the person."""

    def is_removed() -> bool:
        for uri in stack.admin_uris().values():
            with MongoClient[Json](uri) as client:
                if client[service_database("auth")]["accounts"].find_one({"_id": user_id}):
                    return False
        return True

    wait_until_blocking(is_removed, "the account to be removed", within_s=ERASURE_TIMEOUT_S, every_s=1.0)


def await_nothing(
    places: Callable[[StackHandle, bytes], Sequence[object]], stack: StackHandle, text: bytes
) -> None:
    """Wait until a text is in none of the places; fail with those in which it stays."""
    with suppress(TimeoutError):
        wait_until_blocking(lambda: not places(stack, text), within_s=LEFTOVER_TIMEOUT_S, every_s=1.0)
    assert places(stack, text) == []


def marked_student(stack: StackHandle, marker: str) -> ApiUser:
    """Return a student who has put the marker wherever a student can put a text."""
    student = ApiUser(stack.gateway_url, stack.mailbox_url, f"{marker}@example.com")
    student.register(password=JOURNEY_PASSWORD, name=f"{marker} Doe")
    student.verify()
    profile = {
        "headline": f"{marker} likes compilers",
        "summary": f"All about {marker}.",
        "location": {"city": "Berlin", "country": "DE"},
        "links": [{"label": marker, "url": f"https://{marker}.example.com"}],
        "skills": [{"name": f"{marker} craft"}],
        "education": [{"institution": f"{marker} university", "area": marker, "start": "2025-10"}],
        "experience": [{"organisation": f"{marker} works", "position": marker, "start": "2024-10"}],
        "visibility": "VISIBILITY_RECRUITERS",
    }
    student.patch("/api/v1/users/me", name=f"{marker} Doe", student=profile)
    return student


def applied(owner: ApiUser, student: ApiUser, marker: str) -> tuple[str, str]:
    """Return a listing and the student's application for it, with a résumé, which the owner has read."""
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    document = student.upload_resume(f"{marker}.pdf", sample_resume(f"{marker} Doe", student.email))
    application = student.post(
        "/api/v1/applications",
        internshipId=draft["id"],
        coverLetter=f"I am {marker}.",
        answers=[{"questionId": "start", "text": f"{marker} in June"}],
        documentIds=[document],
    )
    owner.await_inbox(application["id"])
    seen = owner.get(f"/api/v1/applications/{application['id']}")
    assert marker in str(seen)
    return draft["id"], application["id"]


def test_nothing_of_a_deleted_student_is_left_in_any_store(stack: StackHandle, new_person: NewPerson) -> None:
    owner = new_person(company="Erasing Works")
    marker = f"mark{secrets.token_hex(6)}"
    text = marker.encode()
    student = marked_student(stack, marker)
    user_id = student.user["id"]
    listing, application = applied(owner, student, marker)
    export = student.post("/api/v1/data-exports")["id"]
    wait_for_result(
        lambda: student.get(f"/api/v1/data-exports/{export}")["state"] == "DATA_EXPORT_STATE_READY" or None,
        "the copy of the data",
    )
    named = {each.split()[1] for each in stored_with(stack, text)}
    assert {
        "auth.accounts",
        "user.profiles",
        "user.student_documents",
        "application.applications",
        "application.applicants",
        "notification.recipients",
        "notification.notifications",
    } <= named
    assert blobs_with(stack, user_id.lower().encode())

    student.post(DELETE)
    end_grace(stack, user_id)
    await_erasure(stack, user_id)

    assert is_gone(student)
    for places in (stored_with, cached_with, given_up_with):
        await_nothing(places, stack, text)
    assert blobs_with(stack, user_id.lower().encode(), text) == []
    assert logged_with(stack, text) == []

    seen = owner.get(f"/api/v1/applications/{application}")
    assert seen["closedReason"] == "CLOSED_REASON_ACCOUNT_DELETED"
    rows = owner.get(f"/api/v1/internships/{listing}/applications")["data"]
    assert [row["applicationId"] for row in rows] == [application], "the company's counts stay"


def test_a_deletion_can_be_cancelled_until_the_time_of_grace_is_over(new_person: NewPerson) -> None:
    student = new_person()
    other = signed_out(student)
    other.log_in(JOURNEY_PASSWORD)
    begun = student.post(DELETE)
    assert student.get(DELETION) == begun == student.post(DELETE)
    student.await_mail(lambda mail: "will be deleted" in mail["subject"])
    with pytest.raises(ApiError):
        other.refresh()
    other = signed_out(student)
    other.log_in(JOURNEY_PASSWORD)
    assert other.user["state"] == "ACCOUNT_STATE_PENDING_DELETION"
    other.post(CANCEL)
    for person in (student, other):
        with pytest.raises(ApiError, match="NO_ACCOUNT_DELETION"):
            person.get(DELETION)
    student.await_mail(lambda mail: "account stays" in mail["subject"])


def test_an_owner_with_colleagues_hands_over_first(new_person: NewPerson) -> None:
    owner = new_person(company="Shared Works")
    email = f"colleague.{secrets.token_hex(6)}@example.com"
    colleague = ApiUser(owner.base_url, owner.mailbox_url, email)
    invited = {"email": email, "role": "COMPANY_ROLE_RECRUITER"}
    owner.post("/api/v1/companies/me/invitations", **invited)
    colleague.register(password=JOURNEY_PASSWORD, name="Ines Duarte", by_invitation=True)
    colleague.verify()
    colleague.join_company()
    with pytest.raises(ApiError) as refused:
        owner.post(DELETE)
    assert refused.value.reason == "LAST_OWNER"
    owner.post("/api/v1/companies/me:transferOwnership", userId=colleague.user["id"])

    def begun() -> Json | None:
        try:
            return owner.post(DELETE)
        except ApiError as not_yet:
            assert not_yet.reason == "LAST_OWNER"
            return None

    assert wait_for_result(begun, "auth to know the other owner")["eraseTime"]


def test_the_company_of_a_deleted_only_owner_is_suspended_and_its_listings_end(
    stack: StackHandle, new_person: NewPerson
) -> None:
    owner = new_person(company="Leaving Works")
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    reader = new_person()
    assert reader.get(f"/api/v1/internships/{draft['id']}")["state"] == "INTERNSHIP_STATE_OPEN"
    owner.post(DELETE)
    end_grace(stack, owner.user["id"])
    await_erasure(stack, owner.user["id"])

    def is_hidden() -> bool | None:
        try:
            found = reader.get(f"/api/v1/internships/{draft['id']}")
        except ApiError as refused:
            return refused.status == 404 or None
        return found["state"] != "INTERNSHIP_STATE_OPEN" or None

    wait_for_result(is_hidden, "the listing to be hidden")
