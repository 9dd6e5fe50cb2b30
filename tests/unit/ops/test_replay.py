"""Whether a rebuilding may be relied on; no server is asked."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from chassis.sharding import rebalance
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange
from ops.errors import OpsError
from ops.replay.derived_data import _ServiceShards
from tests.unit.chassis.sharding.conftest import HALVES

MOVING = rebalance.with_moves(HALVES, [SlotMove(SlotRange(7, 9), "s1", "s2")])
NOTHING = cast("Any", None)


@pytest.fixture
async def shards() -> AsyncIterator[Shards]:
    shards = Shards(HALVES, "ic_test", "nobody", "nothing")
    yield shards
    await shards.close()


@pytest.mark.parametrize("slot_map", [MOVING, rebalance.with_owner(HALVES, {7}, "s2")])
async def test_a_rebuilding_that_slots_moved_under_is_to_be_repeated(
    shards: Shards, slot_map: SlotMap
) -> None:
    stores = _ServiceShards(NOTHING, AsyncExitStack(), [(shards, HALVES.owners)])
    stores.require_unmoved()

    shards.apply_slot_map(slot_map, {})

    with pytest.raises(OpsError, match="run it again when none moves any more"):
        stores.require_unmoved()


async def test_a_rebuilding_stands_the_fence_and_the_end_of_a_move_that_was_given_up(shards: Shards) -> None:
    stores = _ServiceShards(NOTHING, AsyncExitStack(), [(shards, HALVES.owners)])
    shards.apply_slot_map(rebalance.with_fence(HALVES, {7}), {})
    shards.apply_slot_map(rebalance.with_moves(MOVING, []), {})

    stores.require_unmoved()
