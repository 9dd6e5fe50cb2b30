"""Seed data follows the services' rules, is the same on each run, and is written on a busy machine, too."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import slot_of
from devstack.seed import bulk_store
from devstack.seed.documents import (
    APPLICANTS,
    APPLICATION_TRACKS,
    APPLICATIONS,
    FUNNELS,
    LISTING_ENDINGS,
    LISTINGS,
    OPENING_CLAIMS,
    OVERVIEWS,
    SEARCH_LISTINGS,
    DocumentSet,
    Place,
)
from devstack.seed.listing_documents import CompanyFigures, add_listing_documents
from devstack.seed.listing_history import (
    ListingHistory,
    ListingOwner,
    ListingPlan,
    PlannedApplication,
    build_listing_history,
)
from devstack.seed.people import SeededPerson, seeded_company, seeded_student
from devstack.seed.population import ListingOutcome, Population, SeedListing
from devstack.seed.seed_plan import SeedPlan, SeedRequest
from devstack.seed.shares import SeedProcesses, Share
from devstack.topology import Topology
from ops.errors import OpsError
from services.application.domain.model import Applicant, ApplicationPolicy, ApplicationState, QuestionAnswer
from services.application.domain.submission import StudentSnapshot
from services.internship.domain.model import ListingCompany, ListingState
from services.internship.domain.moderation import CompanyStanding
from tests.virtual_time import in_virtual_time

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POPULATION = Population(3, companies=2, students=30, listings=300)
COMPANY_ID = "cmp_01JD0000000000000000000000"
OWNER = ListingOwner(
    user_id="usr_01JD0000000000000000000000",
    role="OWNER",
    company=ListingCompany(id=COMPANY_ID, name="Amberquill Labs"),
    standing=CompanyStanding(id=COMPANY_ID, state="VERIFIED", version=3),
)
POLICY = ApplicationPolicy()


def _first_listing(
    outcome: ListingOutcome, *, has_passed: bool = False, openings: int = 1, age_days: int = 21
) -> SeedListing:
    return next(
        each
        for each in POPULATION.listings()
        if each.outcome is outcome
        and (each.days_until_deadline < 0) is has_passed
        and each.openings >= openings
        and each.age > timedelta(days=age_days)
    )


def _application(listing: SeedListing, number: int, *course: tuple[str, timedelta]) -> PlannedApplication:
    student = StudentSnapshot(
        id=f"usr_01JD00000000000000000000{number:02}", applicant=Applicant(name="A", email="a@b.c")
    )
    answers = [
        QuestionAnswer(question_id=each.id, choices=each.choices[:1])
        if each.choices
        else QuestionAnswer(question_id=each.id, text="yes")
        for each in listing.questions
    ]
    return PlannedApplication(
        id=f"app_01JD00000000000000000000{number:02}",
        operation_id=f"operation-{number}",
        student=student,
        answers=tuple(answers),
        cover_letter="",
        course=tuple((ApplicationState(state), NOW - age) for state, age in course),
        offer_expire_time=NOW + timedelta(days=7),
    )


def _history(listing: SeedListing, *applications: PlannedApplication) -> ListingHistory:
    return build_listing_history(ListingPlan(3, 0, listing, OWNER, applications), POLICY, NOW)


def _days(count: float) -> timedelta:
    return timedelta(days=count)


@pytest.mark.parametrize(
    ("outcome", "has_passed", "state"),
    [
        (ListingOutcome.OPEN, False, ListingState.OPEN),
        (ListingOutcome.PAUSED, False, ListingState.PAUSED),
        (ListingOutcome.CLOSED, False, ListingState.CLOSED),
        (ListingOutcome.DRAFT, False, ListingState.DRAFT),
        (ListingOutcome.OPEN, True, ListingState.EXPIRED),
    ],
)
def test_a_listing_ends_in_the_state_of_its_outcome(
    outcome: ListingOutcome, has_passed: bool, state: ListingState
) -> None:
    assert _history(_first_listing(outcome, has_passed=has_passed)).listing.state is state


def test_a_hire_takes_the_opening_that_its_offer_had_reserved() -> None:
    listing = _first_listing(ListingOutcome.OPEN, openings=2)
    plan = _application(
        listing,
        1,
        ("SUBMITTED", _days(19)),
        ("IN_REVIEW", _days(15)),
        ("INTERVIEW", _days(12)),
        ("OFFERED", _days(10)),
        ("HIRED", _days(8)),
    )

    history = _history(listing, plan)

    application, claim = history.applications[plan.id], history.claims[plan.id]
    assert application.state is ApplicationState.HIRED
    assert [each.target for each in application.history] == [state for state, _ in plan.course]
    assert (history.listing.hires, history.listing.offers) == (1, 0)
    assert claim.taken and not claim.offered


def test_an_offer_for_which_no_opening_is_left_is_not_made() -> None:
    listing = _first_listing(ListingOutcome.OPEN)
    course = (("SUBMITTED", 19), ("IN_REVIEW", 15), ("INTERVIEW", 12))
    plans = [
        _application(
            listing, n, *((state, _days(age)) for state, age in course), ("OFFERED", _days(10 - n / 10))
        )
        for n in range(listing.openings + 1)
    ]

    history = _history(listing, *plans)

    states = Counter(each.state for each in history.applications.values())
    assert states == {ApplicationState.OFFERED: listing.openings, ApplicationState.INTERVIEW: 1}
    assert history.listing.offers == listing.openings


def test_an_application_without_an_answer_in_time_was_closed_when_it_was_due() -> None:
    listing = _first_listing(ListingOutcome.OPEN, age_days=51)
    plan = _application(listing, 1, ("SUBMITTED", _days(50)), ("CLOSED", _days(47)))

    application = _history(listing, plan).applications[plan.id]

    assert application.state is ApplicationState.CLOSED
    assert application.update_time == application.respond_by + POLICY.response_grace < NOW


def test_a_listing_that_was_closed_ends_its_live_applications() -> None:
    listing = _first_listing(ListingOutcome.CLOSED)
    plan = _application(listing, 1, ("SUBMITTED", _days(5)))

    history = _history(listing, plan)

    assert history.applications[plan.id].state is ApplicationState.CLOSED
    assert history.ending is not None and not history.ending.pending


def _documents(history: ListingHistory) -> tuple[dict[Place, list[dict[str, object]]], CompanyFigures]:
    documents, figures = DocumentSet(), CompanyFigures()
    add_listing_documents(documents, figures, history, NOW)
    return dict(documents.items()), figures


def test_the_figures_count_each_listing_and_application_once() -> None:
    listing = _first_listing(ListingOutcome.OPEN)
    plan = _application(listing, 1, ("SUBMITTED", _days(5)), ("IN_REVIEW", _days(4.5)))

    stored, figures = _documents(_history(listing, plan))
    [funnel] = stored[FUNNELS]
    figures.add(_documents(_history(listing))[1].changes)
    [(_, [overview])] = figures.documents([COMPANY_ID]).items()

    assert (funnel["applications"], funnel["reached"]) == (1, {"SUBMITTED": 1, "IN_REVIEW": 1})
    assert (overview["total_internships"], overview["open_internships"]) == (2, 2)
    assert overview["applications"] == 1


def test_every_document_lives_in_the_slot_of_what_it_belongs_to() -> None:
    listing = _first_listing(ListingOutcome.OPEN, openings=2)
    plan = _application(
        listing,
        1,
        ("SUBMITTED", _days(9)),
        ("IN_REVIEW", _days(8)),
        ("INTERVIEW", _days(7)),
        ("OFFERED", _days(6)),
    )

    stored, _ = _documents(_history(listing, plan))

    of_listing = {
        LISTINGS,
        OPENING_CLAIMS,
        SEARCH_LISTINGS,
        LISTING_ENDINGS,
        APPLICANTS,
        APPLICATION_TRACKS,
        FUNNELS,
    }
    assert {each["slot"] for place in of_listing for each in stored[place]} == {slot_of(COMPANY_ID)}
    assert {each["slot"] for each in stored[APPLICATIONS]} == {slot_of(plan.student.id)}
    assert OVERVIEWS not in stored


def test_people_are_the_same_documents_on_each_run() -> None:
    def people() -> list[SeededPerson]:
        return [
            seeded_student(POPULATION.student(0), "hash", NOW),
            seeded_company(POPULATION.companies[0], "hash", NOW),
        ]

    for once, again in zip(people(), people(), strict=True):
        assert dict(once.documents.items()) == dict(again.documents.items())
        assert once.directory_entry["user_id"] == once.user_id == again.user_id


def test_a_rerun_has_the_times_of_the_first_run(stack: Topology) -> None:
    stack.root.mkdir(parents=True, exist_ok=True)
    first = SeedPlan.prepare(stack, SeedRequest(number=1), "password")
    other = SeedPlan.prepare(stack, SeedRequest(number=2), "password")
    again = SeedPlan.prepare(stack, SeedRequest(number=1), "password")

    assert again.listing_time == first.listing_time < other.listing_time
    assert again.people_time == other.people_time == first.people_time


def test_the_shares_of_all_processes_are_the_whole() -> None:
    shares = [Share(number, 3) for number in range(3)]

    assert sorted(item for share in shares for item in share.of(range(10))) == list(range(10))


async def _count(share: Share, progress: object) -> int:
    progress("items", 1)  # type: ignore[operator]
    return share.number


async def _fail(_share: Share, _progress: object) -> None:
    raise DomainError("ALREADY_APPLIED", "You have applied.")


def test_each_process_works_on_its_share_and_reports_its_progress() -> None:
    reports: list[tuple[str, int]] = []
    with SeedProcesses(lambda what, more: reports.append((what, more))) as processes:
        results = processes.results(processes.start(_count))
        processes._report_progress()

    assert sorted(results) == list(range(processes.count))
    assert set(reports) <= {("items", 1)}


def test_a_share_that_cannot_be_written_says_why_and_what_to_do() -> None:
    with SeedProcesses(lambda what, more: None) as processes, pytest.raises(OpsError, match="run it again"):
        processes.results(processes.start(_fail))


class _Store:
    """Refuses some times, then answers."""

    def __init__(self, refusal: DomainError, times: int) -> None:
        self.calls = 0
        self._refusal = refusal
        self._times = times

    async def act(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._refusal
        return "written"


@pytest.mark.parametrize("reason", ["DEADLINE_EXCEEDED", "UNAVAILABLE", "OVERLOADED"])
def test_a_write_that_found_no_time_is_repeated(reason: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        store = _Store(DomainError(reason, "No time is left for the shard."), 2)

        assert await bulk_store.retry_while_unavailable(store.act) == "written"
        assert store.calls == 3

    scenario()


@in_virtual_time
async def test_a_refusal_that_stands_ends_the_seeding() -> None:
    store = _Store(DomainError("ALREADY_APPLIED", "You have applied."), 1)

    with pytest.raises(DomainError, match="You have applied"):
        await bulk_store.retry_while_unavailable(store.act)

    assert store.calls == 1
