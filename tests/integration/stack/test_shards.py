"""`ic shards`: what lies where, what is wrong, and one more shard for a running stack."""

import pytest
from pymongo import MongoClient

from ops import replay
from ops.cli import main
from ops.errors import OpsError
from ops.stack import mongo, provision, shards
from ops.stack.lifecycle import Stack as RunningStack
from ops.stack.steps import Steps
from ops.stack.topology import SERVICES, Topology
from tests.stack import Stack, await_true


def running(stack: Stack) -> RunningStack:
    return RunningStack.of(Topology.load(stack.topology.path))


def test_all_that_services_have_written_lies_where_its_slot_is(stack: Stack) -> None:
    assert shards.complaints(running(stack)) == []


def test_every_service_process_has_confirmed_the_slot_map_of_every_shard(stack: Stack) -> None:
    expected = sorted((service, role, 1) for service in SERVICES for role in ("serve", "work"))

    def confirmed_by_all() -> bool:
        found = shards.holdings(running(stack))
        return all(
            sorted((each.service, each.role, each.version) for each in holding.members) == expected
            for holding in found
        )

    await_true(confirmed_by_all, "every process to confirm the slot map", within_s=90)


def test_the_list_adds_up_to_all_slots(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    found = shards.holdings(running(stack))

    assert sum(each.slots for each in found) == 16_384
    assert all(each.fenced == 0 and each.documents and each.bytes for each in found)
    with pytest.raises(SystemExit):
        main(["shards", "list", "--stack", stack.topology.name])
    shown = capsys.readouterr().out
    assert all(each.address in shown for each in found)


def test_a_shard_is_added_to_a_running_stack_even_after_an_interruption(
    beside: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when the command runs with other variables than `ic up`: all that runs is left alone all the same.
    monkeypatch.setattr("ops.stack.supervisor.START_RETRIES", 21)
    provision.make_collections(beside.topology, beside.credentials)
    before = beside.state("mongo-s1")
    beside.topology.with_shard("s2").save()  # as when the command was killed just after that

    slot_map = shards.add(Topology.load(beside.topology.path), "s2", Steps())

    assert (slot_map.version, list(slot_map.uris)) == (2, ["s1", "s2"])
    assert beside.state("mongo-s1").pid == before.pid
    grown = running(beside)
    assert shards.complaints(grown) == []
    assert [(each.name, each.slots, each.version) for each in shards.holdings(grown)] == [
        ("s1", 16_384, 2),
        ("s2", 0, 2),
    ]
    with pytest.raises(OpsError, match="there is a shard 's2' already"):
        shards.add(grown.topology, "s2", Steps())


def test_nothing_is_rebuilt_while_slots_move(beside: Stack) -> None:
    grown = running(beside)
    wanted = replay.Wanted("search", since=None, write=True)
    with MongoClient[dict[str, object]](mongo.admin_uri(grown.topology.shards[0], grown.credentials)) as one:
        copy = one["ic_cluster"]["slot_map"]
        move = {"span": {"first": 7, "last": 9}, "source": "s1", "target": "s2"}
        copy.update_one({}, {"$set": {"version": 3, "moving": [move]}})
        with pytest.raises(OpsError, match="slots are moving between shards"):
            replay.replay_stack(grown.topology, wanted, lambda *_: None)
        copy.update_one({}, {"$set": {"version": 2, "moving": []}})

    replay.replay_stack(grown.topology, wanted, lambda *_: None)


def test_what_lies_on_the_wrong_shard_is_named(beside: Stack) -> None:
    grown = running(beside)
    uri = mongo.admin_uri(grown.topology.shards[1], grown.credentials)
    with MongoClient[dict[str, object]](uri) as client:
        client["ic_user"]["profiles"].insert_one({"_id": "usr_lost", "slot": 5})
        client["ic_cluster"]["slot_map"].update_one({}, {"$set": {"version": 1}})

    assert shards.complaints(grown) == [
        "s2: its slot map has version 1, another 2",
        "s2: ic_user.profiles holds 1 documents of slots that live on s1: 5-5",
    ]
