"""What may be a little old is read from secondaries, everything else from the primary."""

from typing import Final

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from chassis.mongo.provision import CollectionSpec
from tests.databases import own_databases
from tests.replicas.test_primaries import MEMBERS, primary
from tests.stack import StackHandle

pytestmark = [pytest.mark.timeout(200), pytest.mark.thorough]

THINGS: Final = CollectionSpec("things", shard_key="_id", slot_field=None)


class QueriedPortsRecorder(CommandListener):
    """Remembers which ports were asked by `find` and `aggregate`."""

    def __init__(self) -> None:
        self.ports: list[int | None] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate"):
            self.ports.append(event.connection_id[1])

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


async def test_only_what_may_be_a_little_old_is_read_from_secondaries(stack: StackHandle) -> None:
    asked = QueriedPortsRecorder()
    async with own_databases(stack, "chassis", (THINGS,), listeners=(asked,)) as shards:
        [shard] = shards.all_shards()
        await shard.db["things"].insert_one({"_id": "thing", "slot": 1})
        at_primary = stack.topology.shards[0].ports[MEMBERS.index(primary(stack) or "")]
        asked.ports.clear()
        assert await shard.db["things"].find_one({"_id": "thing"})
        await (await shard.db["things"].aggregate([{"$match": {"_id": "thing"}}])).to_list()
        assert set(asked.ports) == {at_primary}
        asked.ports.clear()
        await shard.db.secondary_reads["things"].find_one({"_id": "thing"})
        await (await shard.db.secondary_reads["things"].aggregate([{"$match": {"_id": "thing"}}])).to_list()
        assert at_primary not in asked.ports
        assert len(asked.ports) == 2
