"""Seeding as an operator sees it: progress while it runs, and who can log in afterwards."""

import json
from datetime import UTC, datetime

from chassis.errors import DomainError
from ops.console import console
from ops.errors import OpsError
from ops.seed import PASSWORD, Wanted, seed_stack
from ops.stack.steps import Steps
from ops.stack.topology import Topology


def sow(topology: Topology, wanted: Wanted, steps: Steps) -> None:
    """Seeds a running stack, and notes that it is seeded. Raises OpsError when its services do not answer."""
    totals = {"companies": wanted.companies, "students": wanted.students, "listings": wanted.listings}
    totals["applications"] = wanted.applications
    try:
        with steps.step("seed data") as detail:
            sown = seed_stack(
                topology, wanted, lambda what, done: detail(f"{what} {done:,} of {totals.get(what, done):,}")
            )
    except ExceptionGroup as errors:
        raise _explained(errors) from errors
    topology.seeded_marker.write_text(json.dumps({"seeded_at": datetime.now(UTC).isoformat()}))
    steps.note(
        f"{sown.companies:,} companies, {sown.students:,} students, {sown.listings:,} listings, "
        f"{sown.applications:,} applications"
    )


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
