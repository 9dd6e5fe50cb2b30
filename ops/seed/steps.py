"""Seeding as an operator sees it: progress while it runs, and who can log in afterwards."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from chassis.errors import DomainError
from ops.console import console
from ops.errors import OpsError
from ops.seed import PASSWORD, Wanted, seed_stack
from ops.stack.credentials import Credentials
from ops.stack.provision import waiting_events
from ops.stack.steps import Steps
from ops.stack.topology import Topology

CATCH_UP_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.5
QUIET_LOOKS: Final = 3


def sow(topology: Topology, wanted: Wanted, steps: Steps) -> None:
    """Seeds a running stack, and notes that it is seeded. Raises OpsError when its services do not answer."""
    totals = {"companies": wanted.companies, "students": wanted.students, "listings": wanted.listings}
    totals["applications"] = wanted.applications
    try:
        with steps.step("seed data") as detail:
            sown = seed_stack(topology, wanted, lambda what, done: detail(_progress(what, done, totals)))
    except ExceptionGroup as errors:
        raise _explained(errors) from errors
    topology.seeded_marker.write_text(json.dumps({"seeded_at": datetime.now(UTC).isoformat()}))
    _await_its_news(topology, steps)
    steps.note(
        f"{sown.companies:,} companies, {sown.students:,} students, {sown.listings:,} listings, "
        f"{sown.applications:,} applications"
    )


def _progress(what: str, done: int, totals: Mapping[str, int]) -> str:
    """Of some things nobody knows beforehand how many there will be."""
    return f"{what} {done:,} of {totals[what]:,}" if what in totals else f"{what} {done:,}"


def _await_its_news(topology: Topology, steps: Steps) -> None:
    """Until search index, lists and figures have caught up; what is slower than that goes on by itself."""
    credentials = Credentials.of(topology)
    with steps.step("search index, lists and figures") as detail:
        until = time.monotonic() + CATCH_UP_WITHIN_S
        # The relay may have rows yet to send, so one look at empty queues is not enough.
        looks = 0
        while looks < QUIET_LOOKS and time.monotonic() < until:
            waiting = waiting_events(topology, credentials)
            looks = 0 if waiting else looks + 1
            detail(f"{waiting:,} events wait")
            time.sleep(LOOK_EVERY_S)


def say_who_can_log_in() -> None:
    """Prints seeded addresses and their password."""
    console.print(
        f"log in as company-1@seed.example.com or student-1@seed.example.com, password {PASSWORD}",
        soft_wrap=True,
    )


def _explained(errors: ExceptionGroup[Exception]) -> Exception:
    refused = errors.subgroup(DomainError)
    if refused is None:
        return errors.exceptions[0]
    return OpsError(f"seeding ended early: {refused.exceptions[0]}; see `ic status`, then run it again")
