"""`ic shards`: where slots lie, which faults there are, and one more shard for a running stack."""

from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from chassis.sharding.slot_map import SlotMap
from devstack import lifecycle, mongo
from devstack.local_cluster import LocalCluster
from devstack.stack import Stack
from devstack.topology import Topology
from ops import provision
from ops.cli import main
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.replay import derived_data
from ops.service_names import SERVICES
from ops.shards import add_shard, addresses, status
from services.user.repository import COLLECTIONS
from tests import mongods
from tests.stack import StackHandle, wait_until_blocking


@pytest.fixture(scope="module")
def elsewhere(beside: StackHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a replica set outside the stack."""
    folder = tmp_path_factory.mktemp("elsewhere") / "mongod"
    with mongods.replica_set(folder, "theirs", beside.credentials.mongo_admin_password) as address:
        yield address


def recorded(stack: StackHandle) -> Topology:
    return Topology.load(stack.topology.path)


def running(stack: StackHandle) -> LocalCluster:
    return LocalCluster.load(recorded(stack))


def test_all_that_services_have_written_lies_where_its_slot_is(stack: StackHandle) -> None:
    assert status.find_shard_problems(running(stack)) == []


def test_every_service_process_has_confirmed_the_slot_map_of_every_shard(stack: StackHandle) -> None:
    expected = sorted((service, role, 1) for service in SERVICES for role in ("serve", "work"))

    def confirmed_by_all() -> bool:
        found = status.read_shard_statuses(running(stack))
        return all(
            sorted((each.service, each.role, each.version) for each in holding.members) == expected
            for holding in found
        )

    wait_until_blocking(confirmed_by_all, "every process to confirm the slot map", within_s=90)


def test_the_list_adds_up_to_all_slots(stack: StackHandle, capsys: pytest.CaptureFixture[str]) -> None:
    found = status.read_shard_statuses(running(stack))

    assert sum(each.slots for each in found) == 16_384
    assert all(each.fenced == 0 and each.documents and each.bytes for each in found)
    with pytest.raises(SystemExit):
        main(["shards", "list", "--stack", stack.topology.name])
    shown = capsys.readouterr().out
    assert all(each.address in shown for each in found)


def test_a_shard_is_added_to_a_running_stack_even_after_an_interruption(
    beside: StackHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when the command runs with other variables than `ic up`: all that runs is left alone all the same.
    monkeypatch.setattr("devstack.supervisor.MAX_START_RETRIES", 21)
    provision.provision_collections(beside.cluster)
    before = beside.state("mongo-s1")
    beside.topology.with_shard("s2").save()  # as when the command was killed just after that

    slot_map = add_shard.add_shard(running(beside), "s2", "", StepProgress())

    assert (slot_map.version, list(slot_map.uris)) == (2, ["s1", "s2"])
    assert beside.state("mongo-s1").pid == before.pid
    grown = running(beside)
    assert status.find_shard_problems(grown) == []
    assert [(each.name, each.slots, each.version) for each in status.read_shard_statuses(grown)] == [
        ("s1", 16_384, 2),
        ("s2", 0, 2),
    ]
    with pytest.raises(OpsError, match="there is a shard 's2' already"):
        add_shard.add_shard(grown, "s2", "", StepProgress())


def test_what_cannot_be_taken_is_refused_and_changes_nothing(
    stack: StackHandle, beside: StackHandle, elsewhere: str
) -> None:
    before = running(beside)
    own, of_others = before.shards[0].uri, stack.topology.shards[0].uri
    without_set = elsewhere.partition("?")[0]
    for address, complaint in (
        (of_others, "does not know the user 'admin' by this stack's password"),
        (
            "mongodb://127.0.0.1:1/?replicaSet=theirs",
            r"the shard s3 at 127.0.0.1:1 does not answer.*127.0.0.1",
        ),
        (without_set + "?replicaSet=wrong", r"does not answer.*replica set name .wrong."),
        (without_set, r"is of the replica set theirs: give it with \?replicaSet=theirs"),
        (own, "is the shard 's1' already"),
        (own.replace("127.0.0.1", "localhost"), "is the shard 's1' already"),
        (elsewhere.replace("//", "//admin:secret@"), "holds no user and no password"),
    ):
        with pytest.raises(OpsError, match=complaint) as refused:
            add_shard.add_shard(before, "s3", address, StepProgress())
        assert "secret@" not in str(refused.value)
    with pytest.raises(OpsError, match="there is a shard 's1' already"):
        add_shard.add_shard(before, "s1", elsewhere, StepProgress())
    assert running(beside) == before


def test_a_shard_that_is_there_already_is_taken_in_even_after_an_interruption(
    beside: StackHandle, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = running(beside)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(add_shard, "provision_collections", killed)
        add_shard.add_shard(before, "s3", elsewhere, StepProgress())
    with pytest.raises(OpsError, match=f"first finish what was begun: ic shards add s3 {elsewhere[:20]}"):
        add_shard.add_shard(running(beside), "s4", "", StepProgress())

    slot_map = add_shard.add_shard(running(beside), "s3", elsewhere, StepProgress())

    assert slot_map.uris == {shard.name: shard.uri for shard in before.shards} | {"s3": elsewhere}
    grown = running(beside)
    assert [(each.name, each.slots, each.version) for each in status.read_shard_statuses(grown)] == [
        ("s1", 16_384, 3),
        ("s2", 0, 3),
        ("s3", 0, 3),
    ]
    processes = [[one.name for one in Stack.assemble(each.topology).processes] for each in (grown, before)]
    assert processes[0] == processes[1]
    as_service = f"user:{grown.credentials.services['user'].mongo_password}@"
    with MongoClient[dict[str, object]](elsewhere.replace("//", f"//{as_service}")) as client:
        made = set(client["ic_user"].list_collection_names())
    assert made >= {spec.name for spec in COLLECTIONS}
    with pytest.raises(OpsError, match="there is a shard 's3' already"):
        add_shard.add_shard(grown, "s3", elsewhere, StepProgress())
    with pytest.raises(OpsError, match="is the shard 's3' already"):
        add_shard.add_shard(grown, "s4", elsewhere, StepProgress())


@pytest.mark.thorough
def test_commands_work_with_a_shard_that_has_no_processes(
    beside: StackHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    name = beside.topology.name
    for command in (["provision"], ["shards", "list"], ["shards", "verify"], ["status"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--stack", name])
        assert ended.value.code == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    assert "every slot is on one shard" in shown

    lifecycle.start_stack(recorded(beside), StepProgress(), stores_only=True)

    assert status.find_shard_problems(running(beside)) == []


def test_a_stack_says_which_of_its_shards_elsewhere_does_not_answer(beside: StackHandle) -> None:
    gone = running(beside).with_shard_uri("s3", "mongodb://127.0.0.1:1/?replicaSet=theirs")

    with pytest.raises(OpsError, match=r"the shard s3 at 127\.0\.0\.1:1 does not answer"):
        provision.prepare_stores(gone)


def test_a_shard_gets_another_address_and_what_is_not_that_shard_is_refused(
    beside: StackHandle, elsewhere: str
) -> None:
    before = running(beside)
    first = before.shards[0].uri
    for name, address, complaint in (
        ("s9", elsewhere, "there is no shard 's9'; there are: s1, s2, s3"),
        ("s3", first, "is the shard 's1' already"),
        ("s3", "mongodb://127.0.0.1:1/?replicaSet=theirs", "s3 at 127.0.0.1:1 does not answer"),
    ):
        with pytest.raises(OpsError, match=complaint):
            add_shard.readdress_shard(before, name, address, StepProgress())
    assert running(beside) == before

    for name, uri in (("s3", elsewhere), ("s1", first)):
        address = uri.replace("127.0.0.1", "localhost")
        slot_map = add_shard.readdress_shard(running(beside), name, address, StepProgress())
        assert slot_map.uris[name] == address

    assert slot_map.version == 5
    assert SlotMap.load(beside.topology.slot_map_file) == slot_map
    assert recorded(beside).shards[0].ports == before.topology.shards[0].ports
    assert status.find_shard_problems(running(beside)) == []
    assert [each.address for each in status.read_shard_statuses(running(beside))][::2] == [
        addresses.shard_hosts(uri.replace("127.0.0.1", "localhost")) for uri in (first, elsewhere)
    ]


def test_nothing_is_rebuilt_while_slots_move(beside: StackHandle) -> None:
    grown = running(beside)
    wanted = derived_data.ReplayRequest("search", since=None, write=True)
    with MongoClient[dict[str, object]](
        mongo.shard_admin_uri(grown.topology.shards[0], grown.credentials)
    ) as one:
        copy = one["ic_cluster"]["slot_map"]
        move = {"span": {"first": 7, "last": 9}, "source": "s1", "target": "s2"}
        copy.update_one({}, {"$set": {"version": 6, "moving": [move]}})
        with pytest.raises(OpsError, match="slots are moving between shards"):
            derived_data.replay_derived_data(grown, wanted, lambda *_: None)
        copy.update_one({}, {"$set": {"version": 5, "moving": []}})

    derived_data.replay_derived_data(grown, wanted, lambda *_: None)


def test_what_lies_on_the_wrong_shard_is_named(beside: StackHandle) -> None:
    grown = running(beside)
    uri = mongo.shard_admin_uri(grown.topology.shards[1], grown.credentials)
    with MongoClient[dict[str, object]](uri) as client:
        client["ic_user"]["profiles"].insert_one({"_id": "usr_lost", "slot": 5})
        client["ic_cluster"]["slot_map"].update_one({}, {"$set": {"version": 1}})

    assert status.find_shard_problems(grown) == [
        "s2: its slot map has version 1, another 5",
        "s2: ic_user.profiles holds 1 documents of slots that live on s1: 5-5",
    ]


def test_a_shard_is_put_into_a_region_and_taken_out_again(
    beside: StackHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    name = running(beside).shards[0].name
    before = add_shard.set_shard_region(running(beside), name, "eu-central", StepProgress())
    assert before.regions == {name: "eu-central"}
    repeated = add_shard.set_shard_region(running(beside), name, "eu-central", StepProgress())
    assert repeated.version == before.version
    with pytest.raises(SystemExit):
        main(["shards", "list", "--stack", beside.topology.name])
    assert "eu-central" in capsys.readouterr().out
    with pytest.raises(OpsError, match="'EU' is no name for a region"):
        add_shard.set_shard_region(running(beside), name, "EU", StepProgress())
    with pytest.raises(OpsError, match="there is no shard 's9'"):
        add_shard.set_shard_region(running(beside), "s9", "eu-central", StepProgress())

    cleared = add_shard.set_shard_region(running(beside), name, "", StepProgress())

    assert (cleared.regions, cleared.version) == ({}, before.version + 1)
    assert {each.region for each in status.read_shard_statuses(running(beside))} == {""}
