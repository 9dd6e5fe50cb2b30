"""Rules of postings, requirements of publishing, and conditions of moves.

Each rule returns its violations with paths relative to the listing, as in JSON.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime

from chassis.errors import Violation
from chassis.text import fold_for_comparison, is_blank
from services.internship.domain.deadline import deadline_violations
from services.internship.domain.model import (
    Compensation,
    DateWindow,
    Eligibility,
    Listing,
    Posting,
    Question,
    QuestionKind,
    WorkMode,
)

TransitionCondition = Callable[[Listing, datetime], tuple[Violation, ...]]

_CHOICE_KINDS = frozenset({QuestionKind.SINGLE_CHOICE, QuestionKind.MULTIPLE_CHOICE})


def posting_violations(posting: Posting) -> tuple[Violation, ...]:
    """Return the violations that count in any state, also in drafts: fields that contradict each other."""
    return (
        *_pay_violations(posting.compensation),
        *_location_violations(posting),
        *_time_violations(posting),
        *deadline_violations(posting),
        *_eligibility_violations(posting.eligibility),
        *_skill_violations(posting),
        *_question_violations(posting.questions),
    )


def _pay_violations(pay: Compensation | None) -> Iterator[Violation]:
    if pay is None:
        return
    if pay.max_minor and pay.max_minor < pay.min_minor:
        yield Violation("compensation.maxMinor", "must not be below minMinor; 0 stands for the same")
    if not pay.paid and (pay.min_minor or pay.max_minor):
        yield Violation("compensation.paid", "must be true when an amount is given")
    if pay.paid and pay.unpaid_basis:
        yield Violation("compensation.unpaidBasis", "must be empty when paid")


def _location_violations(posting: Posting) -> Iterator[Violation]:
    for index, place in enumerate(posting.locations):
        if (place.lat is None) != (place.lng is None):
            yield Violation(f"locations[{index}]", "lat and lng go together")
        if not place.city and not place.region and not place.country:
            yield Violation(f"locations[{index}]", "must name a city, a region or a country")


def _time_violations(posting: Posting) -> Iterator[Violation]:
    opens, ends = posting.apply_open_time, posting.apply_deadline
    if opens is not None and ends is not None and ends <= opens:
        yield Violation("applyDeadline", "must be after applyOpenTime")
    if posting.start_window is not None:
        yield from _start_window_violations(posting.start_window)


def _start_window_violations(window: DateWindow) -> Iterator[Violation]:
    ends = {"from": window.first, "to": window.last}
    wrong = [name for name, day in ends.items() if day and not _is_day(day)]
    for name in wrong:
        yield Violation(f"startWindow.{name}", f"there is no day {ends[name]}")
    if not wrong and window.first and window.last and window.last < window.first:
        yield Violation("startWindow.to", "must not be before startWindow.from")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _eligibility_violations(eligibility: Eligibility | None) -> Iterator[Violation]:
    if eligibility is None:
        return
    first, last = eligibility.graduation_from, eligibility.graduation_to
    if first and last and last < first:
        yield Violation("eligibility.graduationTo", "must not be before graduationFrom")


def _skill_violations(posting: Posting) -> Iterator[Violation]:
    for index in _repeated_indexes(fold_for_comparison(skill.name) for skill in posting.skills):
        yield Violation(f"skills[{index}].name", "is in the list already")


def _question_violations(questions: tuple[Question, ...]) -> Iterator[Violation]:
    for index in _repeated_indexes(question.id for question in questions):
        yield Violation(f"questions[{index}].id", "must be unique within the listing")
    for index, question in enumerate(questions):
        if question.kind in _CHOICE_KINDS and len(set(map(fold_for_comparison, question.choices))) < 2:
            yield Violation(f"questions[{index}].choices", "must hold at least two different choices")
        if question.kind not in _CHOICE_KINDS and question.choices:
            yield Violation(
                f"questions[{index}].choices",
                f"must be empty for a question of QUESTION_KIND_{question.kind}",
            )


def _repeated_indexes(values: Iterable[str]) -> Iterator[int]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield index
        seen.add(value)


def opening_violations(listing: Listing) -> tuple[Violation, ...]:
    """Return a violation when openings that are taken or offered would be cut."""
    if listing.posting.openings >= listing.taken_or_offered:
        return ()
    taken = listing.taken_or_offered
    return (Violation("openings", f"must be at least {taken}: so many are taken or offered"),)


def publishing_violations(listing: Listing, now: datetime) -> tuple[Violation, ...]:
    """Return the requirements of publishing that the listing does not meet."""
    posting = listing.posting
    return (
        *_missing_basics(posting),
        *_unknown_places(posting),
        *_missing_pay(posting.compensation),
        *_missing_time(posting, now),
        *posting_violations(posting),
    )


def _missing_basics(posting: Posting) -> Iterator[Violation]:
    if is_blank(posting.title):
        yield Violation("title", "is needed")
    if is_blank(posting.description):
        yield Violation("description", "is needed")
    if posting.work_mode is None:
        yield Violation("workMode", "is needed")
    names_no_city = all(is_blank(place.city) for place in posting.locations)
    if posting.work_mode is not WorkMode.REMOTE and names_no_city:
        yield Violation(
            "locations", "at least one with a city is needed, unless workMode is WORK_MODE_REMOTE"
        )
    if is_blank(posting.field):
        yield Violation("field", "is needed")
    if posting.duration_weeks < 1:
        yield Violation("durationWeeks", "is needed")


def _unknown_places(posting: Posting) -> Iterator[Violation]:
    """Yield violations for cities without coordinates, which were looked up when the posting was saved."""
    for index, place in enumerate(posting.locations):
        if place.city and place.lat is None:
            named = ", ".join(filter(None, (place.city, place.region, place.country)))
            yield Violation(
                f"locations[{index}]",
                f"{named} is not a city that we know, so that nobody would find it by distance: "
                "correct the city or its country, or give lat and lng",
            )


def _missing_pay(pay: Compensation | None) -> Iterator[Violation]:
    if pay is None:
        yield Violation("compensation", "is needed: what is paid, or why it is unpaid")
    elif not pay.paid:
        if is_blank(pay.unpaid_basis):
            yield Violation("compensation.unpaidBasis", "is needed when unpaid")
    else:
        if pay.min_minor < 1:
            yield Violation("compensation.minMinor", "is needed when paid")
        if not pay.currency:
            yield Violation("compensation.currency", "is needed when paid")
        if pay.unit is None:
            yield Violation("compensation.unit", "is needed when paid")


def _missing_time(posting: Posting, now: datetime) -> Iterator[Violation]:
    if posting.apply_deadline is None:
        yield Violation("applyDeadline", "is needed")
    elif posting.apply_deadline <= now:
        yield Violation("applyDeadline", "must be in the future")


def no_condition(listing: Listing, now: datetime) -> tuple[Violation, ...]:
    """Return no violation."""
    return ()


def listing_is_complete(listing: Listing, now: datetime) -> tuple[Violation, ...]:
    """Return the requirements of publishing that are not met."""
    return publishing_violations(listing, now)


def listing_is_complete_with_opening(listing: Listing, now: datetime) -> tuple[Violation, ...]:
    """Return the requirements of publishing that are not met, and a violation without a free opening."""
    if not listing.is_full:
        return publishing_violations(listing, now)
    needed = Violation("openings", f"must be more than {listing.hires}: so many are taken")
    return (*publishing_violations(listing, now), needed)


def all_openings_are_taken(listing: Listing, now: datetime) -> tuple[Violation, ...]:
    """Return a violation unless all openings are taken."""
    return () if listing.is_full else (Violation("openings", "are not all taken"),)


def deadline_has_passed(listing: Listing, now: datetime) -> tuple[Violation, ...]:
    """Return a violation unless the deadline has passed."""
    deadline = listing.posting.apply_deadline
    return () if deadline is not None and deadline <= now else (Violation("applyDeadline", "has not passed"),)
