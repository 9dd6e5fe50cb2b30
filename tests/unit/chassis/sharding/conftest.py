"""Two shards that are nowhere, each with half of the slots."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from chassis.ids import SLOT_COUNT
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap

NOWHERE: Final = "mongodb://127.0.0.1:1/?directConnection=true"
HALVES: Final = SlotMap(
    1, {"s1": NOWHERE, "s2": NOWHERE}, ("s1",) * (SLOT_COUNT // 2) + ("s2",) * (SLOT_COUNT // 2)
)


@pytest.fixture
async def shards() -> AsyncIterator[Shards]:
    shards = Shards(HALVES, "ic_test", "nobody", "nothing")
    yield shards
    await shards.close()
