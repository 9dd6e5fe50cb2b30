"""A crowd applies, something faults, and everything that was acknowledged is looked for."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import httpx
from pymongo import MongoClient

from devstack.journey.client import Json
from devstack.seed.signed_in_users import SignedInUser
from tests.faults.user_pool import ApplicationOutcome, UserPool, list_all_pages, wait_for_recovery
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

INJECT_AFTER_APPLICATIONS: Final = 60


def assert_nothing_lost(crowd: UserPool, fault: Callable[[], None]) -> None:
    """Assert that each application is stored, shown, counted and mailed once, in spite of `fault`."""
    since = datetime.now(UTC)
    listings = asyncio.run(crowd.post_listings())
    outcome = _apply_during(crowd, listings, fault)
    _assert_each_application_kept_once(crowd, listings, outcome, since)


def _apply_during(crowd: UserPool, listings: Sequence[str], fault: Callable[[], None]) -> ApplicationOutcome:
    """Let every student apply, and inject a fault in between."""
    outcome = ApplicationOutcome()

    def strike_in_the_midst() -> None:
        while len(outcome.acknowledged) < INJECT_AFTER_APPLICATIONS:
            time.sleep(0.01)
        fault()

    injector = threading.Thread(target=strike_in_the_midst)
    injector.start()
    asyncio.run(crowd.apply_everywhere(listings, outcome))
    injector.join()
    return outcome


def _assert_each_application_kept_once(
    crowd: UserPool, listings: Sequence[str], outcome: ApplicationOutcome, since: datetime
) -> None:
    expected = {(student.principal.id, listing) for student in crowd.students for listing in listings}
    assert outcome.acknowledged.keys() == expected
    _assert_stored_once(crowd.stack, listings, outcome)
    for owner, listing in zip(crowd.owners, listings, strict=True):
        _assert_shown_and_counted(crowd, owner, listing, outcome)
    _assert_mailed(crowd, since)


def _assert_stored_once(stack: StackHandle, listings: Sequence[str], outcome: ApplicationOutcome) -> None:
    stored: list[Json] = []
    for uri in stack.admin_uris().values():
        with MongoClient[Json](uri) as client:
            query = {"internship_id": {"$in": list(listings)}}
            fields = {"student_id": 1, "internship_id": 1}
            stored += client["ic_application"]["applications"].find(query, fields)
    counts = Counter((each["student_id"], each["internship_id"]) for each in stored)
    assert set(counts.values()) == {1}
    assert {each["_id"] for each in stored} == set(outcome.acknowledged.values())


def _assert_shown_and_counted(
    crowd: UserPool, owner: SignedInUser, listing: str, outcome: ApplicationOutcome
) -> None:
    wanted = {id_ for (_, of), id_ in outcome.acknowledged.items() if of == listing}
    path = f"/api/v1/internships/{listing}/applications"

    def all_shown() -> bool | None:
        rows = [row["applicationId"] for row in list_all_pages(crowd, owner, path)]
        return (len(rows) == len(set(rows)) and set(rows) == wanted) or None

    def all_counted() -> bool | None:
        funnel = crowd.get(owner, f"/api/v1/analytics/internships/{listing}/funnel")
        assert funnel["applications"] <= len(wanted), "counted twice"
        return funnel["applications"] == len(wanted) or None

    wait_for_recovery(all_shown, f"{len(wanted)} applicants of {listing}")
    wait_for_recovery(all_counted, f"{len(wanted)} applications in the funnel of {listing}")


def _assert_mailed(crowd: UserPool, since: datetime) -> None:
    """Assert that each student has a mail from each company; its subject names the company."""
    addresses = {student.email for student in crowd.students}

    def everybody_mailed() -> bool | None:
        mails = _mails(crowd.stack, since)
        pairs = {(to, mail["subject"]) for mail in mails for to in mail["to"] if to in addresses}
        return len(pairs) == len(addresses) * len(crowd.owners) or None

    wait_for_recovery(everybody_mailed, "a mail for each application")


def _mails(stack: StackHandle, since: datetime) -> list[Json]:
    query: dict[str, str | int] = {"since": since.isoformat(), "limit": 5000}
    answer = httpx.get(f"{stack.mailbox_url}/mails", params=query, timeout=WAIT_TIMEOUT_S, trust_env=False)
    found: list[Json] = answer.raise_for_status().json()["mails"]
    return found
