"""Listings as the contract's messages, and back."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.message_fields import enum_names, from_field, read_timestamp, to_datetime
from chassis.mongo.documents import format_etag
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from services.internship.domain.deadline import with_deadline, with_utc_deadline
from services.internship.domain.derived import days_left, hourly_pay_minor, is_open_for_applications
from services.internship.domain.model import (
    Compensation,
    DateWindow,
    Eligibility,
    Employment,
    Listing,
    ListingCompany,
    ListingLocation,
    ListingState,
    PayUnit,
    Posting,
    Question,
    QuestionKind,
    SkillNeed,
    WorkMode,
)

M = TypeVar("M")
P = TypeVar("P")

WRITABLE_FIELDS = (
    "title",
    "description",
    "responsibilities",
    "qualifications",
    "locations",
    "work_mode",
    "employment",
    "compensation",
    "skills",
    "field",
    "duration_weeks",
    "hours_per_week",
    "start_window",
    "openings",
    "apply_open_time",
    "apply_deadline",
    "apply_deadline_zone",
    "apply_deadline_date",
    "eligibility",
    "questions",
    "documents_required",
    "respond_within_days",
    "external_id",
    "blind_review",
)
"""The fields of an internship that its company may change."""


LISTING_STATES = enum_names(pb.InternshipState.DESCRIPTOR)
WORK_MODES = enum_names(common.WorkMode.DESCRIPTOR)
EMPLOYMENTS = enum_names(pb.Employment.DESCRIPTOR)
PAY_UNITS = enum_names(pb.PayUnit.DESCRIPTOR)
COMPANY_STATES = enum_names(user.CompanyState.DESCRIPTOR)
QUESTION_KINDS = enum_names(pb.QuestionKind.DESCRIPTOR)


def timestamp_message(moment: datetime | None) -> Timestamp | None:
    """Return the message of a time."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def listing_to_message(listing: Listing, now: datetime) -> pb.Internship:
    """Return the public message of a listing, with the fields that depend on the time `now`."""
    posting = listing.posting
    message = posting_to_message(posting)
    message.id = listing.id
    message.company.CopyFrom(company_to_message(listing.company))
    message.state = LISTING_STATES.number(listing.state)
    message.hires = listing.hires
    message.effective_hourly_pay_minor = hourly_pay_minor(posting)
    message.days_left = days_left(posting.apply_deadline, now)
    message.open_for_applications = is_open_for_applications(listing, now)
    message.etag = format_etag(listing.version)
    message.version = listing.version
    message.review_note = _review_note(listing)
    message.create_time.FromDatetime(listing.create_time)
    message.update_time.FromDatetime(listing.update_time)
    if listing.publish_time is not None:
        message.publish_time.FromDatetime(listing.publish_time)
    return message


def listing_from_message(message: pb.Internship) -> Listing:
    """Return the listing that an event carries; history, offers and operations are not in it."""
    return Listing(
        id=message.id,
        company=ListingCompany(id=message.company.id, name=message.company.name, url=message.company.url),
        posting=posting_from_message(message),
        state=LISTING_STATES.member_or_none(ListingState, message.state) or ListingState.DRAFT,
        hires=message.hires,
        version=message.version,
        create_time=to_datetime(message.create_time),
        update_time=to_datetime(message.update_time),
        publish_time=read_timestamp(message, "publish_time"),
    )


_NOTED_STATES = frozenset({ListingState.CHANGES_REQUESTED, ListingState.SUSPENDED, ListingState.ARCHIVED})
"""States that only the company sees, in which it may read a moderator's note."""


def _review_note(listing: Listing) -> str:
    return listing.history[-1].reason if listing.history and listing.state in _NOTED_STATES else ""


def intake_to_message(listing: Listing, now: datetime) -> pb.Intake:
    """Return the fields of the listing that applying needs, at the time `now`."""
    posting = listing.posting
    return pb.Intake(
        internship_id=listing.id,
        version=listing.version,
        title=posting.title,
        company=company_to_message(listing.company),
        state=LISTING_STATES.number(listing.state),
        open_for_applications=is_open_for_applications(listing, now),
        apply_open_time=timestamp_message(posting.apply_open_time),
        apply_deadline=timestamp_message(posting.apply_deadline),
        questions=[_question_to_message(question) for question in posting.questions],
        respond_within_days=posting.respond_within_days,
        blind_review=posting.blind_review,
    )


def posting_to_message(posting: Posting) -> pb.Internship:
    """Return the fields that the company writes."""
    return pb.Internship(
        title=posting.title,
        description=posting.description,
        responsibilities=posting.responsibilities,
        qualifications=posting.qualifications,
        locations=[location_to_message(place) for place in posting.locations],
        work_mode=WORK_MODES.number(posting.work_mode),
        employment=EMPLOYMENTS.number(posting.employment),
        compensation=_convert_if_present(compensation_to_message, posting.compensation),
        skills=[pb.SkillNeed(name=skill.name, required=skill.required) for skill in posting.skills],
        field=posting.field,
        duration_weeks=posting.duration_weeks,
        hours_per_week=posting.hours_per_week,
        start_window=_convert_if_present(_date_window_to_message, posting.start_window),
        openings=posting.openings,
        apply_open_time=timestamp_message(posting.apply_open_time),
        apply_deadline=timestamp_message(posting.apply_deadline),
        apply_deadline_zone=posting.apply_deadline_zone,
        apply_deadline_date=posting.apply_deadline_date,
        eligibility=_convert_if_present(_eligibility_to_message, posting.eligibility),
        questions=[_question_to_message(question) for question in posting.questions],
        documents_required=posting.documents_required,
        respond_within_days=posting.respond_within_days,
        external_id=posting.external_id,
        blind_review=posting.blind_review,
    )


def _convert_if_present(convert: Callable[[P], M], part: P | None) -> M | None:
    return None if part is None else convert(part)


def company_to_message(company: ListingCompany) -> pb.CompanyRef:
    """Return the company as listings name it."""
    return pb.CompanyRef(id=company.id, name=company.name, url=company.url)


def location_to_message(place: ListingLocation) -> common.Location:
    """Return a place on the map."""
    return common.Location(
        city=place.city, region=place.region, country=place.country, lat=place.lat, lng=place.lng
    )


def compensation_to_message(pay: Compensation) -> pb.Compensation:
    """Return the message of the pay."""
    return pb.Compensation(
        paid=pay.paid,
        min_minor=pay.min_minor,
        max_minor=pay.max_minor,
        currency=pay.currency,
        unit=PAY_UNITS.number(pay.unit),
        unpaid_basis=pay.unpaid_basis,
    )


def _date_window_to_message(window: DateWindow) -> pb.DateWindow:
    return pb.DateWindow(**{"from": window.first, "to": window.last})


def _eligibility_to_message(eligibility: Eligibility) -> pb.Eligibility:
    return pb.Eligibility(
        school_years=eligibility.school_years,
        majors=eligibility.majors,
        graduation_from=eligibility.graduation_from,
        graduation_to=eligibility.graduation_to,
        work_authorisation=eligibility.work_authorisation,
    )


def _question_to_message(question: Question) -> pb.Question:
    return pb.Question(
        id=question.id,
        kind=QUESTION_KINDS.number(question.kind),
        text=question.text,
        required=question.required,
        choices=question.choices,
    )


def posting_from_message(message: pb.Internship) -> Posting:
    """Return the company's posting without outer white space; the message has been validated."""
    posting = Posting(
        title=message.title.strip(),
        description=message.description.strip(),
        responsibilities=_stripped_texts(message.responsibilities),
        qualifications=_stripped_texts(message.qualifications),
        locations=tuple(_location_from_message(place) for place in message.locations),
        work_mode=WORK_MODES.member_or_none(WorkMode, message.work_mode),
        employment=EMPLOYMENTS.member_or_none(Employment, message.employment),
        compensation=_compensation_from_message(message.compensation)
        if message.HasField("compensation")
        else None,
        skills=tuple(
            SkillNeed(name=name, required=skill.required)
            for skill in message.skills
            if (name := skill.name.strip())
        ),
        field=message.field.strip(),
        duration_weeks=message.duration_weeks,
        hours_per_week=message.hours_per_week,
        start_window=_date_window_from_message(message.start_window)
        if message.HasField("start_window")
        else None,
        openings=message.openings or 1,
        apply_open_time=read_timestamp(message, "apply_open_time"),
        apply_deadline=read_timestamp(message, "apply_deadline"),
        apply_deadline_zone=message.apply_deadline_zone,
        apply_deadline_date=message.apply_deadline_date,
        eligibility=_eligibility_from_message(message.eligibility)
        if message.HasField("eligibility")
        else None,
        questions=tuple(_question_from_message(question) for question in message.questions),
        documents_required=_stripped_texts(message.documents_required),
        respond_within_days=message.respond_within_days,
        external_id=message.external_id.strip(),
        blind_review=message.blind_review,
    )
    return with_utc_deadline(with_deadline(posting))


DEADLINE_FIELDS = ("apply_deadline", "apply_deadline_zone", "apply_deadline_date")


def has_value(message: Any, name: str) -> bool:
    """Return whether a field of a message has a value."""
    field = message.DESCRIPTOR.fields_by_name[name]
    return bool(message.HasField(name) if field.has_presence else getattr(message, name))


def copy_field(target: Any, source: Any, name: str) -> None:
    """Copy one field between messages of different types."""
    value = getattr(source, name)
    if isinstance(value, Message):
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)


def keep_one_deadline(message: pb.Internship, changed: Collection[str]) -> None:
    """Clear the deadline's day when its moment changes, and the moment when its day or zone does."""
    if "apply_deadline" in changed:
        if "apply_deadline_date" not in changed:
            message.apply_deadline_date = ""
    elif (
        not {"apply_deadline_zone", "apply_deadline_date"}.isdisjoint(changed) and message.apply_deadline_date
    ):
        message.ClearField("apply_deadline")


def _stripped_texts(values: Any) -> tuple[str, ...]:
    return tuple(text for value in values if (text := value.strip()))


def _location_from_message(place: common.Location) -> ListingLocation:
    return ListingLocation(
        city=place.city.strip(),
        region=place.region.strip(),
        country=place.country,
        lat=place.lat if place.HasField("lat") else None,
        lng=place.lng if place.HasField("lng") else None,
    )


def _compensation_from_message(pay: pb.Compensation) -> Compensation:
    return Compensation(
        paid=pay.paid,
        min_minor=int(pay.min_minor),
        max_minor=int(pay.max_minor),
        currency=pay.currency,
        unit=PAY_UNITS.member_or_none(PayUnit, pay.unit),
        unpaid_basis=pay.unpaid_basis.strip(),
    )


def _date_window_from_message(window: pb.DateWindow) -> DateWindow:
    return DateWindow(first=from_field(window), last=window.to)


def _eligibility_from_message(eligibility: pb.Eligibility) -> Eligibility:
    return Eligibility(
        school_years=_stripped_texts(eligibility.school_years),
        majors=_stripped_texts(eligibility.majors),
        graduation_from=eligibility.graduation_from,
        graduation_to=eligibility.graduation_to,
        work_authorisation=tuple(eligibility.work_authorisation),
    )


def _question_from_message(question: pb.Question) -> Question:
    kind = QUESTION_KINDS.member_or_none(QuestionKind, question.kind)
    if kind is None:
        raise ValueError(f"the question {question.id} has no kind")
    return Question(
        id=question.id,
        kind=kind,
        text=question.text.strip(),
        required=question.required,
        choices=_stripped_texts(question.choices),
    )


def states_from_numbers(numbers: Iterable[int]) -> tuple[ListingState, ...]:
    """Return the states that a request names."""
    return tuple(LISTING_STATES.member(ListingState, number) for number in numbers if number)
