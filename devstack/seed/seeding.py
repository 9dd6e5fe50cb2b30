"""Seeding for an operator: progress while it runs, and the logins afterwards."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Final

from devstack import mongo
from devstack.credentials import Credentials
from devstack.seed.seed_plan import SeedPlan, SeedRequest
from devstack.seed.seeder import seed_population
from devstack.topology import Topology
from ops.console import console
from ops.progress import StepProgress

MANY_LISTINGS: Final = 10_000
SEED_PASSWORD: Final = "seeded-for-trying-out"  # noqa: S105 - printed, and good on a local stack only


def seed_with_progress(topology: Topology, wanted: SeedRequest, steps: StepProgress) -> None:
    """Seed a running stack, and record that it is seeded. Raises OpsError when its services do not answer."""
    totals = {"companies": wanted.companies, "students": wanted.students, "listings": wanted.listings}
    totals["applications"] = wanted.applications
    with steps.step("seed data") as detail:
        plan = SeedPlan.prepare(topology, wanted, SEED_PASSWORD)
        with _caches_for(topology, wanted):
            seeded = seed_population(plan, lambda what, done: detail(_format_progress(what, done, totals)))
    topology.seeded_marker.write_text(json.dumps({"seeded_at": datetime.now(UTC).isoformat()}))
    steps.note(
        f"{seeded.companies:,} companies, {seeded.students:,} students, {seeded.listings:,} listings, "
        f"{seeded.applications:,} applications"
    )


def _caches_for(topology: Topology, wanted: SeedRequest) -> AbstractContextManager[None]:
    if wanted.listings < MANY_LISTINGS:
        return nullcontext()
    return mongo.loading_caches(topology, Credentials.load_or_create(topology))


def _format_progress(what: str, done: int, totals: Mapping[str, int]) -> str:
    """Return the progress, with the total where it is known in advance."""
    return f"{what} {done:,} of {totals[what]:,}" if what in totals else f"{what} {done:,}"


def print_seed_logins() -> None:
    """Print seeded addresses and their password."""
    console.print(
        f"log in as company-1@seed.example.com or student-1@seed.example.com, password {SEED_PASSWORD}",
        soft_wrap=True,
    )
