"""A cluster that was backed up while it served comes back whole, with another number of shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack import lifecycle
from devstack.seed.seeding import SEED_PASSWORD
from ops.backup.manifest import load_manifest
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.waiting import wait_until
from tests.integration.stack.restored_stack import (
    Contents,
    TakenBackup,
    ic,
    kill_when,
    read_contents,
    restored_stack,
    take_backup,
)
from tests.stack import StackHandle
from verify.chaos.notification_check import find_missing_notifications
from verify.chaos.stored_state import find_contradictions, read_documents, wait_until_settled

pytestmark = pytest.mark.timeout(900)

SEEDED_LISTINGS = 300
NOTIFIED_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def backup(stack: StackHandle, tmp_path_factory: pytest.TempPathFactory) -> TakenBackup:
    ic("seed", "--listings", str(SEEDED_LISTINGS), "--students", "50", stack=stack.topology.name)
    return take_backup(stack, tmp_path_factory.mktemp("backups") / "taken")


@pytest.fixture(scope="module")
def stores(stack: StackHandle, backup: TakenBackup) -> Iterator[StackHandle]:
    with restored_stack(stack, backup.folder) as found:
        yield found


@pytest.fixture(scope="module")
def contents(stores: StackHandle) -> Contents:
    return read_contents(stores)


@pytest.fixture(scope="module")
def restored(stores: StackHandle, contents: Contents) -> StackHandle:
    lifecycle.start_stack(stores.topology, StepProgress())
    return stores


def test_every_document_is_as_it_was_at_the_time_of_the_backup(
    backup: TakenBackup, contents: Contents
) -> None:
    assert sum(map(len, backup.contents.values())) > SEEDED_LISTINGS
    for namespace, documents in backup.contents.items():
        if not namespace.is_outbox:
            assert contents[namespace].keys() == documents.keys(), namespace
            assert contents[namespace] == documents, namespace


def test_events_that_wait_and_those_that_had_been_sent_are_sent_again(
    backup: TakenBackup, contents: Contents
) -> None:
    waiting = {namespace: rows for namespace, rows in backup.contents.items() if namespace.is_outbox}
    for namespace, rows in waiting.items():
        assert contents[namespace].items() >= rows.items(), namespace
    sent_again = sum(len(contents[namespace]) - len(rows) for namespace, rows in waiting.items())
    assert sent_again > 0


def test_documents_lie_on_the_shards_of_the_new_slot_map(stores: StackHandle) -> None:
    assert "every document lies where its slot is" in ic("shards", "verify", stack=stores.topology.name)


def test_a_second_restore_is_refused(stores: StackHandle, contents: Contents, backup: TakenBackup) -> None:
    shown = ic("restore", str(backup.folder), stack=stores.topology.name, expected=1)

    assert "is not empty: ic_" in shown
    assert read_contents(stores) == contents


def test_people_log_in_and_read_what_they_had(restored: StackHandle) -> None:
    login = {"email": "company-1@seed.example.com", "password": SEED_PASSWORD}
    with httpx.Client(base_url=restored.gateway_url, trust_env=False, timeout=30.0) as client:
        answer = client.post("/api/v1/auth/login", json=login)
        assert answer.status_code == httpx.codes.OK, answer.text
        token = answer.json()["data"]["tokens"]["accessToken"]
        own = client.get("/api/v1/users/me", headers={"authorization": f"Bearer {token}"})
        assert own.status_code == httpx.codes.OK, own.text
        found = client.get("/api/v1/internships", params={"pageSize": 20}).json()["data"]
        assert len(found) == 20
        read = client.get(f"/api/v1/internships/{found[0]['id']}")
        assert read.json()["id"] == found[0]["id"]


def test_nothing_that_was_acknowledged_by_then_is_lost_doubled_or_miscounted(
    restored: StackHandle, backup: TakenBackup
) -> None:
    stored_state, unsettled = wait_until_settled(restored.topology, backup.work.listings)

    assert unsettled == []
    log = backup.operation_log()
    assert log.acknowledged("apply")
    assert find_contradictions(log, stored_state) == []


def test_events_that_no_queue_had_handled_lead_to_their_notifications(
    restored: StackHandle, backup: TakenBackup
) -> None:
    stored_state, _ = wait_until_settled(restored.topology, backup.work.listings)
    people = backup.work.people
    owners = {each.principal.org: each.principal.id for each in people if each.principal.org}
    recipients = {"recipient_id": {"$in": [each.principal.id for each in people]}}

    def find_missing() -> list[Any]:
        stored = read_documents(restored.topology, "notification", "notifications", recipients)
        return find_missing_notifications(stored_state, stored.values(), owners, dict.fromkeys(stored, 1))

    left = wait_until(
        find_missing, timeout_s=NOTIFIED_WITHIN_S, interval_s=2.0, is_done=lambda left: not left
    )
    assert left == []


def test_a_restore_is_refused_while_services_run(restored: StackHandle, backup: TakenBackup) -> None:
    shown = ic("restore", str(backup.folder), stack=restored.topology.name, expected=1)

    assert "these processes use the cluster: " in shown
    assert "auth serve" in shown


def test_a_backup_that_was_killed_is_refused(stack: StackHandle, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    kill_when(
        lambda: folder.is_dir() and any(folder.rglob("*.bson.gz")),
        *("backup", str(folder)),
        stack=stack.topology.name,
    )

    with pytest.raises(OpsError, match="holds no complete backup"):
        load_manifest(folder)
    assert "holds no complete backup" in ic("restore", str(folder), stack=stack.topology.name, expected=1)
