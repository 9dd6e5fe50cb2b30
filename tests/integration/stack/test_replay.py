"""`ic replay` on the stack under test: derived data is damaged and rebuilt while people apply."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.ids import new_id, slot_of
from devstack.seed.signed_in_users import SignedInUser
from tests.faults.user_pool import ApplicationOutcome, UserPool, list_all_pages, wait_for_recovery
from tests.integration.stack.test_dead_letters import ic
from tests.stack import StackHandle

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def crowd(stack: StackHandle) -> UserPool:
    crowd = asyncio.run(UserPool.gather(stack, students=30, owners=2))
    wait_for_recovery(crowd.are_known, "the crowd to be known")
    return crowd


class ReplayScenario:
    """Listings for which the first students have applied, and correct derived data."""

    def __init__(self, crowd: UserPool) -> None:
        self.crowd = crowd
        self.listings = asyncio.run(crowd.post_listings())
        self.outcome = ApplicationOutcome()
        self.apply(crowd.students[:10])
        self.await_right()

    def apply(self, students: Any) -> None:
        """Apply for every listing, as these students."""
        some = UserPool(self.crowd.stack, students, self.crowd.owners)
        asyncio.run(some.apply_everywhere(self.listings, self.outcome))

    def await_right(self) -> None:
        """Wait until search, lists and figures are correct."""
        for owner, listing in zip(self.crowd.owners, self.listings, strict=True):
            wait_for_recovery(
                lambda owner=owner, listing=listing: self.is_right(owner, listing), f"{listing} to be right"
            )

    def is_right(self, owner: SignedInUser, listing: str) -> bool | None:
        """Return whether one listing is found, and its applicants are shown and counted."""
        wanted = sorted(id_ for (_, of), id_ in self.outcome.acknowledged.items() if of == listing)
        shown = list_all_pages(self.crowd, owner, f"/api/v1/internships/{listing}/applications")
        funnel = self.crowd.get(owner, f"/api/v1/analytics/internships/{listing}/funnel")
        overview = self.crowd.get(owner, "/api/v1/analytics/companies/me/overview")
        found = self.crowd.get(owner, "/api/v1/internships", companyId=owner.principal.org)["data"]
        right = (
            sorted(row["applicationId"] for row in shown) == wanted
            and {row["state"] for row in shown} == {"APPLICATION_STATE_SUBMITTED"}
            and funnel["applications"] == overview["applications"] == len(wanted)
            and {stage.get("reached", 0) for stage in funnel["stages"]} == {0, len(wanted)}
            and overview["openInternships"] == overview["totalInternships"] == 1
            and [each["id"] for each in found] == [listing]
        )
        return right or None


@pytest.fixture
def market(crowd: UserPool) -> ReplayScenario:
    return ReplayScenario(crowd)


@pytest.fixture
def databases(stack: StackHandle) -> Iterator[Callable[[str, str], Any]]:
    """Yield a function from a record's ID and a service to the service's database on the record's shard."""
    clients = {name: MongoClient[Any](uri) for name, uri in stack.admin_uris().items()}
    names = list(clients)

    def database(id_: str, service: str) -> Any:
        return clients[names[slot_of(id_) * len(names) // 16_384]][f"ic_{service}"]

    yield database
    for client in clients.values():
        client.close()


def damage(databases: Callable[[str, str], Any], owner: SignedInUser, listing: str) -> None:
    """Delete or falsify entries, rows, tracks and figures."""
    databases(listing, "internship")["search_listings"].update_one(
        {"_id": listing}, {"$set": {"company.key": new_id("cmp"), "version": 99}}
    )
    view = databases(listing, "application")["applicants"]
    rows = [row["_id"] for row in view.find({"internship_id": listing})]
    view.delete_many({"_id": {"$in": rows[:4]}})
    view.update_many({"_id": {"$in": rows[4:6]}}, {"$set": {"state": "HIRED"}})
    figures = databases(listing, "analytics")
    figures["application_tracks"].delete_many({"_id": {"$in": rows[:3]}})
    figures["application_tracks"].update_one({"_id": rows[5]}, {"$set": {"reached": ["HIRED"]}})
    figures["listing_funnels"].update_one({"_id": listing}, {"$set": {"applications": 500, "reached": {}}})
    figures["company_overviews"].update_one(
        {"_id": owner.principal.org}, {"$set": {"applications": 1, "total_internships": 8}}
    )


def test_damaged_data_is_rebuilt_while_people_apply(
    stack: StackHandle, market: ReplayScenario, databases: Callable[[str, str], Any]
) -> None:
    for owner, listing in zip(market.crowd.owners, market.listings, strict=True):
        damage(databases, owner, listing)
        assert not market.is_right(owner, listing)
    applying = threading.Thread(target=lambda: market.apply(market.crowd.students[10:]))
    applying.start()
    for service in ("search", "applicants", "figures"):
        looked_at = ic(stack, "replay", "--service", service, "--dry-run")
        assert looked_at.returncode == 0, looked_at.stdout + looked_at.stderr
        replayed = ic(stack, "replay", "--service", service, "--since", "1h")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    applying.join()
    market.await_right()
    for service in ("search", "applicants", "figures"):
        again = ic(stack, "replay", "--service", service)
        assert again.returncode == 0, again.stdout + again.stderr
    market.await_right()
