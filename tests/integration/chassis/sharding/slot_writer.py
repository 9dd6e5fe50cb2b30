"""A process that follows the slot map and inserts the things whose IDs it reads, line by line.

What it needs to know is the first line, as JSON; it answers each with the ID and "written", or the error.
"""

import asyncio
import json
import sys
from pathlib import Path

from chassis.errors import DomainError
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_watch import ProcessIdentity, SlotMapWatch


async def insert_thing(shards: Shards, id_: str) -> str:
    try:
        await shards.shard_for(id_).db["things"].insert_one({"_id": id_})
    except DomainError as error:
        return str(error)
    return "written"


async def main() -> None:
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    told = json.loads(await lines.readline())
    slot_map = SlotMap.load(Path(told["slot_map"]))
    shards = Shards(slot_map, told["database"], told["user"], told["password"], cluster=told["cluster"])
    watching = asyncio.create_task(SlotMapWatch(shards, ProcessIdentity("test", "writer")).follow_shards())
    while line := await lines.readline():
        id_ = line.decode().strip()
        sys.stdout.write(f"{id_} {await insert_thing(shards, id_)}\n")
        sys.stdout.flush()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await shards.close()


if __name__ == "__main__":
    asyncio.run(main())
