"""Seeding for an operator: progress while it runs, and the logins afterwards."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from chassis.errors import DomainError
from devstack.local_cluster import LocalCluster
from devstack.seed.stack_seeding import SEED_PASSWORD, SeedRequest, seed_stack
from devstack.topology import Topology
from ops.console import console
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.provision import count_waiting_events
from ops.waiting import wait_until

CATCH_UP_TIMEOUT_S: Final = 120.0
POLL_INTERVAL_S: Final = 0.5
MIN_EMPTY_POLLS: Final = 3


def seed_with_progress(topology: Topology, wanted: SeedRequest, steps: StepProgress) -> None:
    """Seed a running stack, and record that it is seeded. Raises OpsError when its services do not answer."""
    totals = {"companies": wanted.companies, "students": wanted.students, "listings": wanted.listings}
    totals["applications"] = wanted.applications
    try:
        with steps.step("seed data") as detail:
            seeded = seed_stack(
                topology, wanted, lambda what, done: detail(_format_progress(what, done, totals))
            )
    except ExceptionGroup as errors:
        raise _explain_errors(errors) from errors
    topology.seeded_marker.write_text(json.dumps({"seeded_at": datetime.now(UTC).isoformat()}))
    _wait_for_events(topology, steps)
    steps.note(
        f"{seeded.companies:,} companies, {seeded.students:,} students, {seeded.listings:,} listings, "
        f"{seeded.applications:,} applications"
    )


def _format_progress(what: str, done: int, totals: Mapping[str, int]) -> str:
    """Return the progress, with the total where it is known in advance."""
    return f"{what} {done:,} of {totals[what]:,}" if what in totals else f"{what} {done:,}"


def _wait_for_events(topology: Topology, steps: StepProgress) -> None:
    """Wait until search index, lists and figures have caught up; slower ones continue in the background."""
    cluster = LocalCluster.load(topology)
    with steps.step("search index, lists and figures") as detail:
        empty_polls = 0

        def count_empty_polls() -> int:
            nonlocal empty_polls
            waiting = count_waiting_events(cluster)
            empty_polls = 0 if waiting else empty_polls + 1
            detail(f"{waiting:,} events wait")
            return empty_polls

        # The relay may have rows yet to send, so one look at empty queues is not enough.
        wait_until(
            count_empty_polls,
            timeout_s=CATCH_UP_TIMEOUT_S,
            interval_s=POLL_INTERVAL_S,
            is_done=lambda polls: polls >= MIN_EMPTY_POLLS,
        )


def print_seed_logins() -> None:
    """Print seeded addresses and their password."""
    console.print(
        f"log in as company-1@seed.example.com or student-1@seed.example.com, password {SEED_PASSWORD}",
        soft_wrap=True,
    )


def _explain_errors(errors: ExceptionGroup[Exception]) -> Exception:
    refused = errors.subgroup(DomainError)
    if refused is None:
        return errors.exceptions[0]
    return OpsError(f"seeding ended early: {refused.exceptions[0]}; see `ic status`, then run it again")
