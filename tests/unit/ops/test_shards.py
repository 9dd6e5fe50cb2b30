"""What `ic shards` finds wrong, and how a running stack grows."""

import pytest

from chassis.ids import SLOT_COUNT
from chassis.sharding import rebalance
from chassis.sharding.chassis_collections import CHASSIS_COLLECTIONS
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange
from devstack import mongo
from devstack.credentials import Credentials
from devstack.supervisor import render_supervisor_config
from devstack.topology import Topology
from ops.errors import OpsError
from ops.provision import declared_collections
from ops.shards.status import describe_misplaced_documents

OF_THE_SHARD = {"relay_positions", "leases"}
HALVES = SlotMap(1, {"s1": "", "s2": ""}, ("s1",) * (SLOT_COUNT // 2) + ("s2",) * (SLOT_COUNT // 2))


def test_every_collection_says_in_which_field_its_documents_name_their_slot() -> None:
    declared = [*CHASSIS_COLLECTIONS, *(spec for own in declared_collections().values() for spec in own)]

    assert len(declared) > 20
    assert {spec.name for spec in declared if spec.slot_field is None} == OF_THE_SHARD
    assert {spec.slot_field for spec in declared if spec.name not in OF_THE_SHARD} == {"slot"}
    assert all(not spec.sharded for spec in declared if spec.slot_field is None)


def test_native_sharding_allows_every_unique_index() -> None:
    """A `mongos` refuses those that do not begin with the key by which the collection is sharded."""
    declared = [*CHASSIS_COLLECTIONS, *(spec for own in declared_collections().values() for spec in own)]
    unique = [
        (spec.name, spec.shard_key, next(iter(index.document["key"])))
        for spec in declared
        if spec.sharded
        for index in spec.indexes
        if index.document.get("unique")
    ]

    assert unique
    assert [name for name, key, first in unique if first != key] == []


def test_documents_where_they_belong_are_no_reason_to_complain() -> None:
    assert describe_misplaced_documents("s1", {0: 5, SLOT_COUNT // 2 - 1: 1}, HALVES) == []


def test_documents_of_other_shards_and_of_no_slot_are_counted_and_named() -> None:
    found = describe_misplaced_documents(
        "s1", {0: 5, 9000: 2, 9001: 3, 9003: 1, None: 4, SLOT_COUNT: 1, "7": 1}, HALVES
    )

    assert found == [
        "6 documents of slots that live on s2: 9000-9001, 9003-9003",
        "6 documents that do not say in which slot they live",
    ]


def test_documents_of_slots_that_are_on_their_way_may_be_on_both_shards() -> None:
    moving = rebalance.with_moves(HALVES, [SlotMove(SlotRange(0, 9), "s1", "s2")])

    assert describe_misplaced_documents("s2", {5: 3}, moving) == []
    assert describe_misplaced_documents("s1", {5: 3}, rebalance.with_owner(moving, range(10), "s2")) == []
    assert describe_misplaced_documents("s2", {10: 3}, moving) == [
        "3 documents of slots that live on s1: 10-10"
    ]


def test_a_shard_that_is_added_gets_the_next_ports_and_a_group_of_its_own(stack: Topology) -> None:
    grown = stack.with_shard("extra")

    assert grown.shards[:2] == stack.shards
    assert grown.shards[2].ports == (stack.shards[0].ports[0] + 20,)
    assert len(list(grown.ports())) == len(set(grown.ports()))
    assert grown.with_shard("extra") is grown
    mongo.write_mongod_files(_with_folders(grown), Credentials())
    config = render_supervisor_config(grown, mongo.mongod_processes(grown))
    assert "[group:stores]\nprograms = mongo-s1,mongo-s2\n" in config
    assert "[group:stores-extra]\nprograms = mongo-extra\n" in config


def test_a_stack_has_eight_shards_at_most(stack: Topology) -> None:
    grown = stack
    for number in range(3, 9):
        grown = grown.with_shard(f"s{number}")
    with pytest.raises(OpsError, match="no ports for more"):
        grown.with_shard("s9")


def _with_folders(topology: Topology) -> Topology:
    for folder in (topology.etc_folder, topology.data_folder, topology.secrets_folder):
        folder.mkdir(parents=True, exist_ok=True)
    return topology
