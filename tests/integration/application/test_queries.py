"""Every query uses the index that it names and goes to one shard."""

from typing import Any

import pytest

from chassis.ids import new_id, slot_of
from services.application.domain.model import ClosedReason, ListingEnding
from services.application.repository.collections import (
    APPLICANTS,
    APPLICATIONS,
    DUE_INDEX,
    LISTING_INDEX,
    LISTING_STATE_INDEX,
    ONE_LIVE_APPLICATION_INDEX,
    STUDENT_INDEX,
)
from tests.integration.application.command_recorder import QueryRecorder
from tests.integration.application.harness import NOW, ApplicationHarness

STUDENT, LISTING = new_id("usr"), new_id("int")

QUERIES = [
    (APPLICATIONS, STUDENT_INDEX, {"slot": slot_of(STUDENT), "student_id": STUDENT}, [("_id", -1)]),
    (
        *(APPLICATIONS, ONE_LIVE_APPLICATION_INDEX),
        {"slot": slot_of(STUDENT), "student_id": STUDENT, "internship_id": LISTING, "live": True},
        None,
    ),
    (APPLICATIONS, DUE_INDEX, {"due_time": {"$lte": NOW}}, [("due_time", 1)]),
    (APPLICANTS, LISTING_INDEX, {"slot": slot_of(LISTING), "internship_id": LISTING}, [("_id", -1)]),
    (
        *(APPLICANTS, LISTING_STATE_INDEX),
        {"slot": slot_of(LISTING), "internship_id": LISTING, "state": {"$in": ["OFFERED", "SUBMITTED"]}},
        [("_id", -1)],
    ),
]


@pytest.mark.parametrize(
    ("collection", "index", "query", "order"), QUERIES, ids=lambda value: str(value)[:24]
)
async def test_each_query_walks_its_index_and_sorts_nothing(
    world: ApplicationHarness,
    collection: str,
    index: str,
    query: dict[str, Any],
    order: list[tuple[str, int]] | None,
) -> None:
    cursor = world.shards.shard_for(STUDENT).db[collection].find(query, hint=index)
    plan = await (cursor.sort(order) if order else cursor).explain()
    stages = list(_stages(plan["queryPlanner"]["winningPlan"]))
    assert {stage.get("indexName") for stage in stages if stage["stage"] == "IXSCAN"} == {index}
    assert {"COLLSCAN", "SORT"}.isdisjoint(stage["stage"] for stage in stages)


async def test_all_queries_but_the_upkeeps_name_the_slot(
    world: ApplicationHarness, commands: QueryRecorder
) -> None:
    commands.filters.clear()
    commands.recording = True
    student, listing = world.student(), world.listing()
    offered = await world.offered(student, listing.id)
    await world.accept(student, offered.id)
    await world.deliver()
    ending = ListingEnding(id=listing.id, version=9, reason=ClosedReason.LISTING_ARCHIVED, pending=True)
    await world.ending.record_listing_ending(ending)
    commands.recording = False
    ours = [(name, query) for name, query in commands.filters if name not in ("outbox", "inbox")]
    assert ours
    assert all("slot" in query for _, query in ours)


def _stages(plan: dict[str, Any]) -> Any:
    plan = plan.get("queryPlan", plan)
    yield plan
    for child in [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", []):
        yield from _stages(child)
