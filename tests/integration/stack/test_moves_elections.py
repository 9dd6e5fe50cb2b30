"""Slots move while the members of a shard elect another primary."""

from collections.abc import Iterator
from typing import Any

import pytest

from devstack import elections, mongo
from devstack.local_cluster import LocalCluster
from ops import provision
from ops.migration import initial_copy, operator_actions
from ops.shards import status
from tests.integration.stack.moved_documents import (
    MOVED,
    PLACES,
    at,
    contents,
    filled,
    rows,
    wait_for_line,
)
from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="module")
def redundant_stores() -> Iterator[StackHandle]:
    """Run two shards of three members."""
    with running_second_stack("elected", shards=2, members=3, stores_only=True) as found:
        provision.provision_collections(found.cluster)
        yield found


@pytest.fixture
def redundant(redundant_stores: StackHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    """Yield the stack with documents in slots 0 to 149 of its first shard."""
    with filled(redundant_stores, monkeypatch) as found:
        yield found


@pytest.mark.thorough
@pytest.mark.parametrize("shard_name", ["s1", "s2"])
def test_a_move_outlives_an_election_while_it_follows(redundant: LocalCluster, shard_name: str) -> None:
    operator_actions.move_slots(
        redundant, MOVED, "s2", at("following", lambda: elect_another(redundant, shard_name))
    )

    assert contents(redundant, "s2") == {collection: rows(MOVED) for _, collection in PLACES}
    assert status.find_shard_problems(redundant) == []


@pytest.mark.thorough
@pytest.mark.parametrize("shard_name", ["s1", "s2"])
def test_a_move_outlives_an_election_within_its_fence(
    redundant: LocalCluster, shard_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elections_left = [shard_name]
    carried_over = initial_copy.copy_outboxes

    async def elect_first(*arguments: Any) -> None:
        if elections_left:
            elect_another(redundant, elections_left.pop())
        await carried_over(*arguments)

    monkeypatch.setattr(initial_copy, "copy_outboxes", elect_first)
    operator_actions.move_slots(redundant, MOVED, "s2", wait_for_line)

    assert elections_left == []
    assert contents(redundant, "s2") == {collection: rows(MOVED) for _, collection in PLACES}
    assert status.find_shard_problems(redundant) == []


def elect_another(stack: LocalCluster, shard_name: str) -> None:
    found = elections.find_shard(stack.topology, shard_name)
    before = elections.find_primary(stack.topology, found)
    elections.step_down_primary(stack.topology, stack.credentials, mongo.mongod_process_name(found, before))
    assert elections.find_primary(stack.topology, found) != before
