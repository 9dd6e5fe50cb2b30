"""Seeding goes on on a busy machine, ends where a retry would change nothing, and is completed by a rerun."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from chassis.call_context import current_operation, current_principal
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from devstack.seed import seeder
from devstack.seed.population import Population
from devstack.seed.seeder import SeededCounts, Seeder
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.internship.v1 import internship_pb2 as listing
from tests.virtual_time import in_virtual_time


class _Service:
    """Refuses some times, then answers."""

    def __init__(self, refusal: DomainError, times: int) -> None:
        self.calls = 0
        self._refusal = refusal
        self._times = times

    async def act(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._refusal
        return "seeded"


@pytest.mark.parametrize("reason", ["DEADLINE_EXCEEDED", "UNAVAILABLE", "OVERLOADED"])
def test_a_call_that_found_no_time_is_repeated(reason: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        service = _Service(DomainError(reason, "No time is left for the user service."), 2)

        assert await seeder._retry_while_unavailable(service.act) == "seeded"
        assert service.calls == 3

    scenario()


@in_virtual_time
async def test_a_refusal_that_stands_ends_the_seeding() -> None:
    service = _Service(DomainError("ALREADY_APPLIED", "You have applied."), 1)

    with pytest.raises(DomainError, match="You have applied"):
        await seeder._retry_while_unavailable(service.act)

    assert service.calls == 1


class _Accounts:
    """Keeps accounts as the auth service's repository does."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._accounts: dict[str, Any] = {}

    async def reserve_address(self, address: str, user_id: str, moment: datetime) -> str:
        return self._ids.setdefault(address, user_id)

    async def update_with_session(self, user_id: str, decide: Callable[[Any], Any]) -> Any:
        change = decide(self._accounts.get(user_id))
        if change.account is not None:
            self._accounts[user_id] = change.account
        return change


class _Users:
    """Takes every change of a profile."""

    async def _update(self, request: object, context: None) -> None:
        return None

    UpdateMyCompany = SetCompanyState = UpdateMe = _update


class _Internships:
    """Keeps listings under IDs that follow from the operation, as the service does."""

    def __init__(self) -> None:
        self.listings: dict[str, listing.Internship] = {}
        self.calls: Counter[str] = Counter()

    async def CreateInternship(
        self, request: listing.CreateInternshipRequest, context: None
    ) -> listing.Internship:
        id_ = _id_of_operation("int", current_principal().org)
        if id_ not in self.listings:
            self.calls["create"] += 1
            self.listings[id_] = listing.Internship(
                id=id_, title=request.internship.title, state=listing.INTERNSHIP_STATE_DRAFT
            )
        return self.listings[id_]

    async def PublishInternship(
        self, request: listing.PublishInternshipRequest, context: None
    ) -> listing.Internship:
        return self._move(request.internship_id, listing.INTERNSHIP_STATE_OPEN)

    async def PauseInternship(self, request: listing.PauseInternshipRequest, context: None) -> None:
        self._move(request.internship_id, listing.INTERNSHIP_STATE_PAUSED)

    async def CloseInternship(self, request: listing.CloseInternshipRequest, context: None) -> None:
        self._move(request.internship_id, listing.INTERNSHIP_STATE_CLOSED)

    async def GetInternship(self, request: listing.GetInternshipRequest, context: None) -> None:
        return None

    def _move(self, id_: str, state: "listing.InternshipState.ValueType") -> listing.Internship:
        found = self.listings[id_]
        if found.state == state:
            raise DomainError("ILLEGAL_TRANSITION", "It is there already.")
        self.calls["move"] += 1
        found.state = state
        return found


class _Applications:
    """Keeps applications, takes none twice, and moves them forward only."""

    def __init__(self) -> None:
        self.applications: dict[str, apply.Application] = {}
        self.moves = 0

    async def SubmitApplication(
        self, request: apply.SubmitApplicationRequest, context: None
    ) -> apply.Application:
        id_ = _id_of_operation("app", current_principal().id)
        if id_ not in self.applications:
            pair = (current_principal().id, request.internship_id)
            if pair in {(each.student_id, each.internship_id) for each in self.applications.values()}:
                raise DomainError("ALREADY_APPLIED", "You have applied.")
            self.applications[id_] = apply.Application(
                id=id_,
                student_id=pair[0],
                internship_id=pair[1],
                state=apply.APPLICATION_STATE_SUBMITTED,
            )
        return self.applications[id_]

    async def GetApplication(self, request: apply.GetApplicationRequest, context: None) -> apply.Application:
        found = self.applications[request.application_id]
        if found.state == apply.APPLICATION_STATE_SUBMITTED and current_principal().role != "VIEWER":
            found.state = apply.APPLICATION_STATE_IN_REVIEW
        return found

    async def MoveApplication(self, request: apply.MoveApplicationRequest, context: None) -> None:
        self._move(request.application_id, request.to)

    async def AcceptOffer(self, request: apply.AcceptOfferRequest, context: None) -> None:
        self._move(request.application_id, apply.APPLICATION_STATE_HIRED)

    async def WithdrawApplication(self, request: apply.WithdrawApplicationRequest, context: None) -> None:
        self._move(request.application_id, apply.APPLICATION_STATE_WITHDRAWN)

    def _move(self, id_: str, state: "apply.ApplicationState.ValueType") -> None:
        found = self.applications[id_]
        if found.state in _FINAL_STATES or state in {found.state, apply.APPLICATION_STATE_IN_REVIEW}:
            raise DomainError("ILLEGAL_TRANSITION", f"{found.state} does not become {state}.")
        self.moves += 1
        found.state = state


_FINAL_STATES = {
    apply.APPLICATION_STATE_HIRED,
    apply.APPLICATION_STATE_WITHDRAWN,
    apply.APPLICATION_STATE_REJECTED,
}


def _id_of_operation(prefix: str, owner: str) -> str:
    operation = current_operation()
    if operation is None:
        return new_id(prefix)
    return new_id(prefix, slot_of(owner), at=operation.started_at, seed=operation.id.encode())


class _BrokenOffError(Exception):
    """Somebody pressed Ctrl-C."""


class _SeededStack:
    """A stack that is seeded again and again, each time a day later."""

    def __init__(self) -> None:
        self.internships, self.applications = _Internships(), _Applications()
        self._accounts = _Accounts()
        self._runs = 0

    async def seed(self, *, number: int = 1, break_off_at: tuple[str, int] | None = None) -> SeededCounts:
        def progress(what: str, done: int) -> None:
            if (what, done) == break_off_at:
                raise _BrokenOffError

        services: Any = SimpleNamespace(
            accounts=self._accounts,
            users=_Users(),
            internships=self.internships,
            applications=self.applications,
        )
        population = Population(number, companies=3, students=20, listings=40)
        run = Seeder(services, population, "irrelevant", progress)
        run._now += timedelta(days=self._runs)
        self._runs += 1
        return await run.seed(60)

    def stored(self) -> tuple[dict[str, str], dict[str, int]]:
        return (
            {id_: str(each) for id_, each in self.internships.listings.items()},
            {id_: each.state for id_, each in self.applications.applications.items()},
        )


def test_a_rerun_makes_nothing_twice_and_moves_nothing_again() -> None:
    async def scenario() -> None:
        stack = _SeededStack()
        counts = await stack.seed()
        stored, moves = stack.stored(), stack.applications.moves

        assert await stack.seed() == counts
        assert stack.stored() == stored
        assert (stack.internships.calls["create"], stack.applications.moves) == (40, moves)
        assert counts == SeededCounts(companies=3, students=20, listings=40, applications=60)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "break_off_at", [("companies", 2), ("listings", 17), ("applications", 30), ("endings", 1)]
)
def test_a_rerun_completes_what_was_broken_off(break_off_at: tuple[str, int]) -> None:
    async def scenario() -> None:
        stack = _SeededStack()
        with pytest.raises(ExceptionGroup):
            await stack.seed(break_off_at=break_off_at)
        await stack.seed()

        whole = _SeededStack()
        await whole.seed()
        assert _kinds(stack) == _kinds(whole)

    asyncio.run(scenario())


def test_another_number_adds_listings_of_its_own() -> None:
    async def scenario() -> None:
        stack = _SeededStack()
        await stack.seed()
        await stack.seed(number=2)

        assert len(stack.internships.listings) == 80

    asyncio.run(scenario())


def _kinds(stack: _SeededStack) -> tuple[Counter[Any], Counter[Any]]:
    return (
        Counter((each.title, each.state) for each in stack.internships.listings.values()),
        Counter(each.state for each in stack.applications.applications.values()),
    )
