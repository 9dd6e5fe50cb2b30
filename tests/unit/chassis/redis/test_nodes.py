"""Which node is asked, and which is left alone, around a cluster that loses a node."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.redis.nodes import (
    NODE_BREAKER_POLICY,
    GuardedRedisNode,
    GuardedRedisNodes,
    StoreUnavailableError,
)
from tests.virtual_time import in_virtual_time

FAILURES_TO_OPEN = NODE_BREAKER_POLICY.failures_to_open


class FakeRedisNode:
    """A node that answers, or does not."""

    def __init__(self, name: str, *, alive: bool) -> None:
        self.name = name
        self.alive = alive

    async def execute_command(self, *_arguments: Any) -> str:
        if not self.alive:
            raise RedisConnectionError(self.name)
        return self.name


class FakeRedisCluster:
    """A cluster of which one server holds every key; a fresh look finds the `heir`."""

    def __init__(self, holder: FakeRedisNode, heir: FakeRedisNode) -> None:
        self.holder, self.heir = holder, heir
        self.nodes_manager = self

    def get_node_from_key(self, _key: str) -> FakeRedisNode:
        return self.holder

    async def initialize(self) -> None:
        self.holder = self.heir


def nodes_of(cluster: FakeRedisCluster) -> GuardedRedisNodes[GuardedRedisNode]:
    return GuardedRedisNodes(cast(RedisCluster, cluster), lambda holder: GuardedRedisNode(holder, 1.0))


async def asked(nodes: GuardedRedisNodes[GuardedRedisNode]) -> Any:
    node = await nodes.node_for("key")
    holder: ClusterNode = node.cluster_node
    return await node.execute(lambda: holder.execute_command("GET", "key"))


async def failures(nodes: GuardedRedisNodes[GuardedRedisNode], count: int) -> list[str]:
    causes: list[str] = []
    for _ in range(count):
        with pytest.raises(StoreUnavailableError) as caught:
            await asked(nodes)
        causes.append(caught.value.cause)
    return causes


@in_virtual_time
async def test_a_node_that_failed_often_is_left_alone_until_it_answers_again() -> None:
    server = FakeRedisNode("first", alive=False)
    nodes = nodes_of(FakeRedisCluster(server, server))
    assert await failures(nodes, FAILURES_TO_OPEN + 1) == ["error"] * FAILURES_TO_OPEN + ["open"]

    server.alive = True
    async with asyncio.timeout(60):
        while (await nodes.node_for("key")).breaker.is_open:
            await asyncio.sleep(0.01)
    assert await asked(nodes) == "first"
    await nodes.aclose()


@in_virtual_time
async def test_keys_that_another_node_took_over_are_found_there_though_the_first_never_returns() -> None:
    nodes = nodes_of(FakeRedisCluster(FakeRedisNode("first", alive=False), FakeRedisNode("heir", alive=True)))
    await failures(nodes, FAILURES_TO_OPEN + 1)

    async with asyncio.timeout(60):
        while (await nodes.node_for("key")).breaker.is_open:
            await asyncio.sleep(0.01)
    assert await asked(nodes) == "heir"
    await nodes.aclose()
