"""Every query names its index and goes to one shard, unless it is one of the written scatter-gathers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from chassis.call_context import acting_as
from chassis.ids import new_id
from chassis.sharding.shards import Shards, current_scatter
from chassis.sharding.slot_map import SlotMap
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.repository import COLLECTIONS
from services.internship.repository.listings import COMPANY_INDEX, DUE_INDEX, LISTINGS, OPENING_CLAIMS
from services.internship.repository.search_collection import SEARCH_COLLECTION
from tests.databases import own_databases
from tests.integration.internship.harness import CONTEXT, InternshipHarness, incoming
from tests.integration.internship.test_openings import moved
from tests.stack import StackHandle

OURS = {LISTINGS, OPENING_CLAIMS, SEARCH_COLLECTION}
COUNTING = "_count_shard_words"
SCATTERED = {
    "ListingRepository.update_overdue",
    "ListingRepository.update_unchanged_since",
    "ListingRepository.list_in_state",
    "ShardedMatches.scan",
    "ShardedMatches.load_hits",
    "ShardedMatches._count_dimensions",
    "ShardedMatches.estimate_total",
    "MongoSearchIndex.list_outdated_ids",
    "MongoSearchIndex.list_changes",
    COUNTING,
}
"""Searches, sweeps and lists of all shards, and the count of each shard's words."""


class IndexUseRecorder(CommandListener):
    """Remembers queries and updates of our collections that break the rule."""

    def __init__(self) -> None:
        self.seen = 0
        self.unhinted: list[Any] = []
        self.unplaced: list[Any] = []

    def started(self, event: CommandStartedEvent) -> None:
        command, name = event.command, event.command_name
        if name in {"find", "aggregate"} and command.get(name) in OURS:
            self._look(command.get("filter", command.get("pipeline")), command.get("hint"), command)
        if name == "update" and command.get(name) in OURS:
            for update in command["updates"]:
                self._look(update["q"], update.get("hint"), command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""

    def _look(self, query: Any, hint: Any, command: Any) -> None:
        self.seen += 1
        scattered = current_scatter.get()
        if hint is None and scattered != COUNTING:
            self.unhinted.append(command)
        if "slot" not in query and not _is_of_one_company(query) and scattered not in SCATTERED:
            self.unplaced.append((scattered, command))


def _is_of_one_company(query: Any) -> bool:
    """Return whether a search within one company goes to the company's shard."""
    return "'company.key': 'cmp_" in str(query)


@pytest.fixture
def watch() -> IndexUseRecorder:
    """Return the recorder of queries and their indexes."""
    return IndexUseRecorder()


@pytest.fixture
async def watched(watch: IndexUseRecorder, world: InternshipHarness) -> AsyncIterator[InternshipHarness]:
    """Yield the service whose queries are recorded."""
    async with own_databases(
        StackHandle.under_test(), "internship", COLLECTIONS, listeners=[watch]
    ) as shards:
        yield InternshipHarness(shards, world.cache, world.redis)


async def test_every_query_names_its_index_and_goes_to_one_shard(
    watch: IndexUseRecorder, watched: InternshipHarness
) -> None:
    world, owner = watched, watched.companies.add("Acme")
    listing = await world.published(owner, openings=1)
    await world.published(owner, apply_deadline=world.clock.now() + timedelta(hours=1))
    application_id = new_id("app")
    await world.get(None, listing.id)
    await world.take(listing.id, application_id)
    freed = moved(listing.id, application_id, 9, hired=False)
    await world.handlers.application_moved(freed, incoming(application_id, "internship-openings"))
    world.companies.rename(owner.org, "Acme Robotics")
    renamed = events.CompanyUpdated(company_id=owner.org)
    await world.handlers.company_updated(renamed, incoming(owner.org, "internship-companies"))
    await world.index()
    with acting_as(owner):
        await world.api.ListMyInternships(pb.ListMyInternshipsRequest(), CONTEXT)
    for query in ({"q": "python"}, {"with_facets": True, "company_id": owner.org}, {"q": "intern"}):
        await world.search(**query, page_size=1)
    await world.lexicon.poll()
    world.clock.advance(timedelta(hours=2))
    await world.expiry.expire_due()
    await world.views.flush()
    await world.publisher.publish_counts()
    assert watch.seen > 30
    assert watch.unhinted == []
    assert watch.unplaced == []


@pytest.mark.parametrize(
    ("query", "hint", "sort"),
    [
        ({"company.id": "cmp_x", "slot": 1, "_id": {"$lt": "int_x"}}, COMPANY_INDEX, {"_id": -1}),
        ({"state": {"$in": ["OPEN", "PAUSED"]}, "posting.apply_deadline": {"$lte": 0}}, DUE_INDEX, {}),
    ],
)
async def test_lists_come_out_of_their_index_in_order(
    world: InternshipHarness, query: dict[str, Any], hint: str, sort: dict[str, int]
) -> None:
    find = {"find": LISTINGS, "filter": query, "hint": hint} | ({"sort": sort} if sort else {})
    explained = await world.shards.all_shards()[0].db.command("explain", find, verbosity="queryPlanner")
    plan = str(explained["queryPlanner"]["winningPlan"])
    assert f"'indexName': '{hint}'" in plan
    assert "'stage': 'SORT'" not in plan


async def test_a_search_says_which_shard_did_not_answer(world: InternshipHarness) -> None:
    owners = [world.companies.add("Acme") for _ in range(8)]
    for owner in owners:
        await world.published(owner, title="Axolotl Keeper")
    await world.index()
    stack = StackHandle.under_test()
    real = SlotMap.load(stack.topology.slot_map_file)
    alive, dead = list(real.uris)[:2]
    half_dead = SlotMap(
        real.version, real.uris | {dead: "mongodb://127.0.0.1:1/?directConnection=true"}, real.owners
    )
    name = world.shards.all_shards()[0].db.name
    shards = Shards(half_dead, name, "admin", stack.credentials.mongo_admin_password)
    try:
        found = await InternshipHarness(shards, world.cache, world.redis).search(q="axolotl ")
        assert list(found.missing_shards) == [dead]
        expected = sum(world.shards.shard_for(owner.org).name == alive for owner in owners)
        assert len(found.data) == expected
    finally:
        await shards.close()
