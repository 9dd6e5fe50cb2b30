"""Domain entities to contract messages and back: fields of one name hold the same value.

A trailing underscore of an entity's field is not part of the name (`from_`), and an enum's members are the
contract's without their prefix. Fields that only one side has, such as a version or an etag, are left alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.message_fields import enum_names
from chassis.mongo.documents import format_etag
from chassis.page_tokens import SortValue
from chassis.search.query_messages import applied_filters_to_messages, match_kind_number, query_note
from chassis.search.totals import NO_TOTAL, TotalEstimate
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import (
    Company,
    CompanyState,
    Profile,
    ProfileKind,
    RegisteredAccount,
    Student,
    StudentEntry,
    Visibility,
)
from services.user.domain.blind_view import blind_profile, blind_texts
from services.user.domain.events import (
    CompanyStateWasChanged,
    CompanyWasUpdated,
    ProfileWasUpdated,
    UserEvent,
)
from services.user.domain.schools import find_verified_school, is_student_verified
from services.user.domain.search import StudentPageCursor, StudentSearchPage, StudentSearchRequest
from services.user.domain.studies import month_window

_COMPANY_STATES: Final = enum_names(pb.CompanyState.DESCRIPTOR)
_ACCOUNT_KINDS: Final = enum_names(common.AccountKind.DESCRIPTOR)

E = TypeVar("E")
M = TypeVar("M", bound=Message)

_ESTIMATE_MARK: Final = "+"


def entity_to_message(kind: type[M], entity: Any) -> M:
    """Return the message of an entity; None becomes an absent field."""
    message = kind()
    by_name = message.DESCRIPTOR.fields_by_name
    for name, _ in _typed_fields(cast(Any, type(entity))):
        field, value = by_name.get(name.rstrip("_")), getattr(entity, name)
        if field is not None and value is not None:
            _set_field(message, field, value)
    return message


def entity_from_message(kind: type[E], message: Message, **others: Any) -> E:
    """Return the entity of a message; `others` are the values of attributes that the message lacks."""
    by_name = message.DESCRIPTOR.fields_by_name
    values = {
        name: _field_value(message, by_name[name.rstrip("_")], hint)
        for name, hint in _typed_fields(cast(Any, kind))
        if name.rstrip("_") in by_name and name not in others
    }
    return kind(**values, **others)


@cache
def _typed_fields(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def _set_field(message: Message, field: Any, value: Any) -> None:
    name = field.name
    if isinstance(value, tuple):
        getattr(message, name).extend(_to_wire(field, item) for item in value)
    elif field.message_type is not None:
        getattr(message, name).CopyFrom(_to_wire(field, value))
    else:
        setattr(message, name, _to_wire(field, value))


def _to_wire(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, StrEnum):
        return _enum_of(field).values_by_name[_enum_prefix(_enum_of(field)) + value].number
    if isinstance(value, datetime):
        stamp = Timestamp()
        stamp.FromDatetime(value)
        return stamp
    if is_dataclass(value):
        return entity_to_message(_class_of(field), value)
    return value


def _field_value(message: Message, field: Any, hint: Any) -> Any:
    name = field.name
    if field.has_presence and not message.HasField(name):
        return None
    if field.is_repeated:
        return tuple(_from_wire(field, item, get_args(hint)[0]) for item in getattr(message, name))
    return _from_wire(field, getattr(message, name), _without_none(hint))


def _from_wire(field: FieldDescriptor, value: Any, kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        enum = _enum_of(field)
        return enum_names(enum).member(kind, value)
    if kind is int and isinstance(value, float):
        return int(value)  # an amount, which the contract holds as a double
    if kind is datetime:
        return value.ToDatetime(tzinfo=UTC)
    return entity_from_message(kind, value) if isinstance(value, Message) else value


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in {Union, UnionType}:
        return hint
    [kind] = [part for part in get_args(hint) if part is not NoneType]
    return kind


def _class_of(field: FieldDescriptor) -> type[Message]:
    return GetMessageClass(cast(Descriptor, field.message_type))


def _enum_of(field: FieldDescriptor) -> EnumDescriptor:
    return cast(EnumDescriptor, field.enum_type)


def _enum_prefix(enum: EnumDescriptor) -> str:
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def cursor_from_token(token: Sequence[SortValue] | None) -> StudentPageCursor | None:
    """Return the cursor that a page token carries; None for the first page."""
    if token is None:
        return None
    rank, student_id, min_words = cast(list[int], token[:3])
    rest = token[3:]
    weights = tuple(each for each in rest if isinstance(each, int))
    total = next((_total_from_token(each) for each in rest if isinstance(each, str)), NO_TOTAL)
    return StudentPageCursor((rank, str(student_id)), min_words, weights, total)


def cursor_to_token(found: StudentSearchPage) -> list[SortValue] | None:
    """Return the values that the token of the next page carries; None when there is none."""
    if not found.page.has_more or found.page.last is None:
        return None
    weights = [word.weight for word in found.reading.terms]
    total = f"{found.total.size}{_ESTIMATE_MARK if found.total.is_estimate else ''}"
    return [*found.page.last, found.min_words, *weights, total]


def _total_from_token(total: str) -> TotalEstimate:
    return TotalEstimate(int(total.removesuffix(_ESTIMATE_MARK)), total.endswith(_ESTIMATE_MARK))


def me_message(profile: Profile) -> pb.Me:
    """Return the profile as its owner sees it."""
    message = entity_to_message(pb.Me, profile)
    message.etag = format_etag(profile.version)
    message.student_verified = is_student_verified(profile)
    message.verified_school = find_verified_school(profile)
    return message


def edited_profile(profile: Profile, message: pb.Me) -> Profile:
    """Return the profile with the owner's edited fields."""
    student = entity_from_message(Student, message.student) if message.HasField("student") else None
    if student and student.visibility is Visibility.UNSPECIFIED:
        student = replace(student, visibility=Student().visibility)
    return replace(
        profile,
        name=message.name,
        time_zone=message.time_zone,
        locale=message.locale,
        student=student,
    )


def company_state_from_number(number: pb.CompanyState.ValueType) -> CompanyState | None:
    """Return the state that a request names; None for UNSPECIFIED."""
    return _COMPANY_STATES.member_or_none(CompanyState, number)


def company_message(company: Company) -> pb.Company:
    """Return the company's profile."""
    message = entity_to_message(pb.Company, company)
    message.etag = format_etag(company.version)
    return message


def edited_company(company: Company, message: pb.Company) -> Company:
    """Return the company with the edited fields."""
    edited = entity_from_message(Company, message, version=company.version)
    return replace(
        company,
        name=edited.name,
        url=edited.url,
        about=edited.about,
        locations=edited.locations,
        size=edited.size,
    )


def student_card(entry: StudentEntry) -> pb.StudentCard:
    """Return a student as recruiters find them."""
    return entity_to_message(pb.StudentCard, entry)


def student_snapshot(
    profile: Profile, *, with_blind_profile: bool = False, texts: Iterable[str] = ()
) -> pb.StudentSnapshot:
    """Return the profile as companies see it; the blocked companies, and blind views, stand beside it."""
    student = profile.student or Student()
    snapshot = pb.StudentSnapshot(
        student_id=profile.id,
        name=profile.name,
        email=profile.email,
        profile=entity_to_message(pb.StudentProfile, replace(student, blocked_company_ids=())),
        etag=format_etag(profile.version),
        blocked_company_ids=student.blocked_company_ids,
        blind_texts=blind_texts(profile.name, student, texts),
    )
    if with_blind_profile:
        blind = replace(blind_profile(profile.name, student), blocked_company_ids=())
        snapshot.blind_profile.CopyFrom(entity_to_message(pb.StudentProfile, blind))
    return snapshot


def student_request_from_message(request: pb.SearchStudentsRequest, company_id: str) -> StudentSearchRequest:
    """Return the search that a recruiter of a company asks for."""
    return StudentSearchRequest(
        company_id=company_id,
        text=request.q,
        skills=tuple(request.skills),
        city=request.city,
        country=request.country,
        is_literal=request.literal,
        school=request.school,
        field_of_study=request.field_of_study,
        graduation=month_window(request.graduation_from, request.graduation_to),
        is_blind=request.blind,
    )


def student_page_to_message(found: StudentSearchPage) -> pb.SearchStudentsResponse:
    """Return the answer with the page's students, without its page token."""
    reading = found.reading
    return pb.SearchStudentsResponse(
        data=map(student_card, found.page.entries),
        applied_filters=applied_filters_to_messages(reading),
        match_kind=match_kind_number(reading, is_partial=bool(found.min_words)),
        did_you_mean=reading.did_you_mean,
        total_size=found.total.size,
        total_is_estimate=found.total.is_estimate,
        note=query_note(reading),
    )


def registered_account(event: events.UserRegistered) -> RegisteredAccount:
    """Return the account that a registration names."""
    return RegisteredAccount(
        user_id=event.user_id,
        email=event.email,
        name=event.name,
        kind=_ACCOUNT_KINDS.member(ProfileKind, event.kind),
        company_id=event.company_id,
        account_version=event.account_version,
        email_verified=event.email_verified,
    )


def event_message(event: UserEvent) -> Message:
    """Return the message of a domain event."""
    match event:
        case ProfileWasUpdated(user_id, name, locale, time_zone):
            return events.ProfileUpdated(user_id=user_id, name=name, locale=locale, time_zone=time_zone)
        case CompanyWasUpdated(company_id, name, url):
            return events.CompanyUpdated(company_id=company_id, name=name, url=url)
        case CompanyStateWasChanged():
            return _company_state_change_message(event)


def _company_state_change_message(event: CompanyStateWasChanged) -> events.CompanyStateChanged:
    return events.CompanyStateChanged(
        company_id=event.company_id,
        company_name=event.company_name,
        to=_COMPANY_STATES.number(event.target),
        company_version=event.version,
        moderator=event.moderator,
        reason=event.reason,
        **{"from": _COMPANY_STATES.number(event.source)},
    )
