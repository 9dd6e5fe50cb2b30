"""A backup of two replica sets is restored into three, without a local stack: by files of endpoints."""

import random
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from bson.timestamp import Timestamp
from pymongo import MongoClient

from chassis.ids import SLOT_COUNT
from chassis.sharding.slot_map import SlotMap
from devstack import mongo
from ops.backup import restore
from ops.backup.create import create_backup
from ops.backup.loading import Loader
from ops.backup.manifest import Manifest
from ops.backup.namespaces import backed_up_namespaces
from ops.backup.restore import read_backup, restore_backup
from ops.cluster import Cluster, open_cluster
from ops.errors import OpsError
from ops.migration.batch import Namespace
from ops.progress import StepProgress
from ops.provision import prepare_stores, provision_collections
from ops.shards import addresses
from ops.shards.status import find_shard_problems
from tests.mongods import replica_set

pytestmark = pytest.mark.timeout(900)

SERVICES: Final = ("user", "application")
PASSWORD: Final = "of-this-test-alone"
OUTBOX: Final = Namespace("ic_application", "outbox")
PROFILES: Final = Namespace("ic_user", "profiles")
PROFILE_COUNT: Final = 2_000
HOUR_S: Final = 3600.0

Contents = dict[Namespace, dict[Any, Any]]


@contextmanager
def running_cluster(folder: Path, name: str, shards: int) -> Iterator[Cluster]:
    """Yield a cluster of one-member replica sets whose services never run."""
    with ExitStack() as running:
        uris = {
            f"{name}{number}": running.enter_context(
                replica_set(folder / f"{name}{number}", f"{name}{number}", PASSWORD)
            )
            for number in range(shards)
        }
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        (folder / "secrets" / "mongo-admin-user").write_text(mongo.ADMIN_USER)
        for secret in ("mongo-admin", *(f"{service}-mongo" for service in SERVICES)):
            (folder / "secrets" / f"{secret}-password").write_text(PASSWORD)
        services = {service: f"{service}:5000" for service in SERVICES}
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"name": name, "shards": uris, "services": services}))
        yield open_cluster(str(path))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("source"), "source", 2) as cluster:
        prepare_stores(cluster)
        provision_collections(cluster)
        for name, client in clients(cluster).items():
            slots = sorted(cluster.first_slot_map().slots_of(name))
            rows = [
                {"_id": f"usr_{name}_{number:05}", "slot": random.choice(slots), "version": 0, "time": now()}
                for number in range(PROFILE_COUNT)
            ]
            client[PROFILES.database][PROFILES.collection].insert_many(rows)
        yield cluster


@pytest.fixture(scope="module")
def taken(source: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest, Contents]:
    """Take a backup while documents are written; return it with the state of the servers at its time."""
    folder = tmp_path_factory.mktemp("backups") / "taken"
    over = threading.Event()
    writers = [threading.Thread(target=write, args=(source, name, over)) for name in clients(source)]
    for writer in writers:
        writer.start()
    try:
        create_backup(source, folder, HOUR_S, "1.0.0", StepProgress())
        manifest = read_backup(folder)
        contents = read_contents(source, Timestamp(manifest.time, 0))
    finally:
        over.set()
        for writer in writers:
            writer.join()
    return folder, manifest, contents


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("target"), "target", 3) as cluster:
        yield cluster


def test_a_restore_that_was_broken_off_is_repeated_and_gives_the_state_at_one_time(
    taken: tuple[Path, Manifest, Contents], target: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest, contents = taken
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(restore, "Loader", InterruptedLoader)
        restore_backup(target, folder, manifest, StepProgress())
    assert sum(map(len, read_contents(target).values())) > 0

    restore_backup(target, folder, manifest, StepProgress())

    found = read_contents(target)
    assert found[PROFILES]
    for namespace, documents in contents.items():
        if namespace.is_outbox:
            assert found[namespace].items() >= documents.items()
        else:
            assert found[namespace] == documents, namespace
    assert len(found[OUTBOX]) > len(contents[OUTBOX]), "events that had been sent are not there"
    assert find_shard_problems(target) == []
    assert all("expiry" in each for each in index_names(target, Namespace("ic_application", "inbox")))


def test_a_cluster_that_holds_documents_is_refused_and_left_as_it_is(
    taken: tuple[Path, Manifest, Contents], source: Cluster
) -> None:
    folder, manifest, _ = taken
    before = read_contents(source)

    with pytest.raises(OpsError, match=r"is not empty: ic_user.* on the shard source0 holds documents"):
        restore_backup(source, folder, manifest, StepProgress())

    assert read_contents(source) == before


def test_no_slot_map_with_moves_is_backed_up(source: Cluster, tmp_path: Path) -> None:
    database = clients(source)["source0"]["ic_cluster"]
    before = database["slot_map"].find_one({})
    assert before is not None
    move = {"span": {"first": 0, "last": 1}, "source": "source0", "target": "source1"}
    database["slot_map"].update_one({}, {"$set": {"moving": [move]}})
    try:
        with pytest.raises(OpsError, match="slots are on their way between shards"):
            create_backup(source, tmp_path / "backup", HOUR_S, "1.0.0", StepProgress())
    finally:
        database["slot_map"].replace_one({}, before)


def test_a_running_process_of_a_service_is_named_and_nothing_is_restored(
    taken: tuple[Path, Manifest, Contents], target: Cluster
) -> None:
    folder, manifest, _ = taken
    members = clients(target)["target0"]["ic_cluster"]["members"]
    row = {"service": "auth", "role": "serve", "version": 1, "time": now()}
    members.insert_one({"_id": "one", **row})
    try:
        with pytest.raises(OpsError, match="these processes use the cluster: auth serve"):
            restore_backup(target, folder, manifest, StepProgress())
    finally:
        members.delete_one({"_id": "one"})


class InterruptedLoader(Loader):
    """Ends as a process that is killed does, after the documents and before the changes."""

    async def load_changes(self, manifest: Manifest, report: Callable[[int], None]) -> None:
        raise KeyboardInterrupt


def clients(cluster: Cluster) -> dict[str, MongoClient[Any]]:
    """Return the administrator's client of each shard."""
    return {
        shard.name: MongoClient[Any](addresses.admin_uri(shard, cluster.admin_login), tz_aware=True)
        for shard in cluster.shards
    }


def write(cluster: Cluster, shard: str, over: threading.Event) -> None:
    """Change, insert and remove profiles of a shard, each with an event that is sent at once."""
    client, dice = clients(cluster)[shard], random.Random(shard)
    slots = sorted(SlotMap.slots_of(cluster.first_slot_map(), shard))
    profiles, outbox = (client[each.database][each.collection] for each in (PROFILES, OUTBOX))
    with client.start_session() as session:
        while not over.is_set():
            one, other = (f"usr_{shard}_{dice.randrange(PROFILE_COUNT + 500):05}" for _ in range(2))
            event = {"_id": f"evt_{secrets.token_hex(8)}", "slot": slots[0], "time": now(), "type": "t"}

            def change(each: Any, one: str = one, other: str = other, event: Any = event) -> None:
                profiles.delete_one({"_id": one}, session=each)
                added = {"$inc": {"version": 1}, "$setOnInsert": {"slot": slots[-1]}}
                profiles.update_one({"_id": other}, added, upsert=True, session=each)
                outbox.insert_one(dict(event), session=each)

            session.with_transaction(change)
            outbox.delete_one({"_id": event["_id"]})


def read_contents(cluster: Cluster, at: Timestamp | None = None) -> Contents:
    """Return all documents that belong to a slot, now or at a time of the last minutes."""
    contents: Contents = {namespace: {} for namespace in backed_up_namespaces(SERVICES)}
    concern = {"readConcern": {"level": "snapshot", "atClusterTime": at}} if at else {}
    for client in clients(cluster).values():
        for namespace, found in contents.items():
            command = {"find": namespace.collection, "batchSize": 10_000, **concern}
            for row in client[namespace.database].cursor_command(command):
                assert row["_id"] not in found, f"{namespace} has {row['_id']} on two shards"
                assert 0 <= row["slot"] < SLOT_COUNT
                found[row["_id"]] = row
    return contents


def index_names(cluster: Cluster, namespace: Namespace) -> list[set[str]]:
    """Return the names of a collection's indexes on each shard."""
    return [
        set(client[namespace.database][namespace.collection].index_information())
        for client in clients(cluster).values()
    ]


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
