"""Seeds a population into a running stack in bulk: people, listings, applications and what follows from them.

The documents are those that the services would have written, made by the services' own rules and mappers,
each on the shard of its slot. No events are sent: search index, lists of applicants, recipients and figures
are written as well. A run completes one that was broken off, and repeats nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

import uvloop
from redis.exceptions import RedisError

from chassis.clock import SystemClock
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.redis.unique_readers import UniqueReaderCounter
from devstack.local_cluster import LocalCluster
from devstack.seed.bulk_store import BulkStore
from devstack.seed.documents import OVERVIEWS
from devstack.seed.listing_documents import CompanyFigures
from devstack.seed.listing_share import WrittenListings, seed_listings
from devstack.seed.people_share import seed_people
from devstack.seed.population import SeedApplication
from devstack.seed.seed_plan import SeededCounts, SeedPlan
from devstack.seed.shares import SeedProcesses
from ops.replay.figures import FigureSources
from services.analytics.repository import FigureRepository

READS_PER_WRITE: Final = 2_000
READS_RETRY_POLICY: Final = RetryPolicy(initial_s=0.2, max_s=2.0, max_attempts=6)

ReportTotal = Callable[[str, int], None]
"""Reports the kind of objects that are written, and how many of them so far."""


def seed_population(plan: SeedPlan, progress: ReportTotal) -> SeededCounts:
    """Seed a running stack; `progress(what, done)` reports the progress.

    Raises:
        OpsError: a store does not answer; another run completes this one.
    """
    with SeedProcesses(_RunningTotals(progress).add) as processes:
        people = processes.start(seed_people, plan)
        applications = _choose_applications(plan)
        processes.results(people)
        written = processes.results(processes.start(seed_listings, plan, applications))
    uvloop.run(_write_what_follows(plan, written))
    return SeededCounts(
        plan.request.companies,
        plan.request.students,
        sum(each.listings for each in written),
        sum(each.applications for each in written),
    )


@dataclass
class _RunningTotals:
    """Adds up the progress of all shares."""

    report: ReportTotal
    totals: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, what: str, more: int) -> None:
        self.totals[what] += more
        self.report(what, self.totals[what])


def _choose_applications(plan: SeedPlan) -> dict[int, list[SeedApplication]]:
    """Return the applications of the population, by the index of their listing."""
    chosen: dict[int, list[SeedApplication]] = defaultdict(list)
    population = plan.population
    for each in population.applications(plan.request.applications, population.intakes()):
        chosen[each.listing].append(each)
    return dict(chosen)


async def _write_what_follows(plan: SeedPlan, written: Sequence[WrittenListings]) -> None:
    """Write the figures of companies, whose listings are in several shares, and record the readers."""
    async with AsyncExitStack() as closing:
        store = await BulkStore.open(LocalCluster.load(plan.topology), closing)
        await _write_company_figures(store, written)
        reads = sorted(read for each in written for read in each.reads)
        readers = UniqueReaderCounter(store.resources["internship"].redis, SystemClock())
        for first in range(0, len(reads), READS_PER_WRITE):
            # A read that is recorded twice counts once.
            some = reads[first : first + READS_PER_WRITE]
            await retry_call_async(partial(readers.record_reads, some), READS_RETRY_POLICY, on=RedisError)


async def _write_company_figures(store: BulkStore, written: Sequence[WrittenListings]) -> None:
    """Write the figures of new companies; recount those of companies with listings of an earlier run."""
    figures = CompanyFigures()
    for each in written:
        figures.add(each.figures.changes)
    known = set().union(*(each.known_companies for each in written))
    known |= await store.existing_ids(OVERVIEWS, list(figures.changes))
    await store.insert_missing(figures.documents(figures.changes.keys() - known))
    repository, now = FigureRepository(store.shards("analytics")), datetime.now(UTC)
    sources = FigureSources(store.shards("application"), store.shards("internship"), SystemClock())
    for listing_id in sorted(set().union(*(each.changed_listings for each in written))):
        event = await sources.current_listing_event(listing_id)
        if event is not None:
            await repository.replace_listing_figures(event, 0, now, write=True)
    for company_id in sorted(known):
        await repository.replace_company_figures(company_id, now, write=True)
