"""The gRPC face of the user service."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

import grpc

from chassis.cache import Cache
from chassis.call_context import current_principal
from chassis.errors import not_found
from chassis.field_masks import apply_mask, changed_paths
from chassis.grpc.server import cast_serialized
from chassis.mongo.documents import format_etag
from chassis.page_tokens import PageTokens, SortValue, clamp_page_size
from chassis.search.query_parser import ParsedQuery
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.user.v1 import user_pb2 as pb
from internshipconnect.user.v1.user_pb2_grpc import UserServiceServicer
from services.user.domain import Company, CompanyState, Profile, Student, StudentEntry, Visibility
from services.user.mapping import entity_from_message, entity_to_message
from services.user.service import (
    ManageCompanies,
    ManageProfiles,
    SearchStudents,
    StudentPageCursor,
    StudentSearchPage,
    StudentSearchRequest,
    company_cache_key,
)

Context = grpc.aio.ServicerContext[Any, Any]

WRITABLE_PROFILE_FIELDS: Final = frozenset(
    {
        "name",
        "time_zone",
        "locale",
        *(f"student.{name}" for name in pb.StudentProfile.DESCRIPTOR.fields_by_name),
    }
)
DEFAULT_COMPANY_COUNT: Final = 50
WRITABLE_COMPANY_FIELDS: Final = frozenset({"name", "url", "about", "locations", "size"})

EMPTY_QUERY_NOTE: Final = "q holds no word that could be looked for: type letters or digits"

log = logging.getLogger(__name__)


class UserServicer(UserServiceServicer):
    """Parses, calls and maps."""

    def __init__(
        self,
        profiles: ManageProfiles,
        students: SearchStudents,
        companies: ManageCompanies,
        cache: Cache,
        page_tokens: PageTokens,
        *,
        company_cache_s: float,
    ) -> None:
        self._profiles = profiles
        self._students = students
        self._companies = companies
        self._cache = cache
        self._page_tokens = page_tokens
        self._company_cache_s = company_cache_s

    async def GetMe(self, request: pb.GetMeRequest, context: Context) -> pb.Me:
        return _me_message(await self._profiles.get(current_principal()))

    async def UpdateMe(self, request: pb.UpdateMeRequest, context: Context) -> pb.Me:
        paths = changed_paths(request.me, request.update_mask, writable=WRITABLE_PROFILE_FIELDS)

        def edit(profile: Profile) -> Profile:
            message = _me_message(profile)
            apply_mask(message, request.me, paths)
            return _edited_profile(profile, message)

        return _me_message(
            await self._profiles.update(current_principal(), edit, expected_etag=request.me.etag)
        )

    async def SearchStudents(
        self, request: pb.SearchStudentsRequest, context: Context
    ) -> pb.SearchStudentsResponse:
        await self._companies.require_verified(current_principal())
        wanted = StudentSearchRequest(
            company_id=current_principal().org,
            text=request.q,
            skills=tuple(request.skills),
            city=request.city,
            country=request.country,
            is_literal=request.literal,
        )
        position = _cursor_of_token(self._page_tokens.decode(request, request.page_token))
        found = await self._students.find(wanted, position, clamp_page_size(request.page_size))
        page, reading = found.page, found.reading
        if page.missing:
            log.warning("students were searched without shards %s", ", ".join(page.missing))
            context.set_trailing_metadata((("x-missing-shards", ",".join(page.missing)),))
        return pb.SearchStudentsResponse(
            data=map(_student_card, page.entries),
            next_page_token=self._next_token(request, found),
            applied_filters=_applied_filters(reading),
            match_kind=_match_kind(found),
            did_you_mean=reading.did_you_mean,
            note=EMPTY_QUERY_NOTE if reading.is_empty else "",
        )

    def _next_token(self, request: pb.SearchStudentsRequest, found: StudentSearchPage) -> str:
        if not found.page.has_more or found.page.last is None:
            return ""
        weights = [word.weight for word in found.reading.terms]
        return self._page_tokens.encode(request, [*found.page.last, found.least, *weights])

    async def GetCompany(self, request: pb.GetCompanyRequest, context: Context) -> pb.Company:
        async def load() -> pb.Company | None:
            company = await self._companies.find(request.company_id)
            return _company_message(company) if company else None

        key = company_cache_key(request.company_id)
        answer = await self._cache.read_through(key, self._company_cache_s, load)
        if answer is None:
            raise not_found("COMPANY_NOT_FOUND", "company", request.company_id)
        return cast_serialized(pb.Company, answer)

    async def GetMyCompany(self, request: pb.GetMyCompanyRequest, context: Context) -> pb.Company:
        return _company_message(await self._companies.get_own(current_principal()))

    async def UpdateMyCompany(self, request: pb.UpdateMyCompanyRequest, context: Context) -> pb.Company:
        paths = changed_paths(request.company, request.update_mask, writable=WRITABLE_COMPANY_FIELDS)

        def edit(company: Company) -> Company:
            message = _company_message(company)
            apply_mask(message, request.company, paths)
            return _edited_company(company, message)

        return _company_message(
            await self._companies.update_own(current_principal(), edit, expected_etag=request.company.etag)
        )

    async def ListCompanies(
        self, request: pb.ListCompaniesRequest, context: Context
    ) -> pb.ListCompaniesResponse:
        page = await self._companies.in_state(
            _company_state(request.state), request.after_id, request.limit or DEFAULT_COMPANY_COUNT
        )
        return pb.ListCompaniesResponse(
            companies=map(_company_message, page.companies), missing_shards=page.missing
        )

    async def SetCompanyState(self, request: pb.SetCompanyStateRequest, context: Context) -> pb.Company:
        state = _company_state(request.state) or CompanyState.UNVERIFIED
        return _company_message(
            await self._companies.judge(request.company_id, state, request.moderator, request.reason.strip())
        )

    async def GetStudentSnapshot(
        self, request: pb.GetStudentSnapshotRequest, context: Context
    ) -> pb.StudentSnapshot:
        return _student_snapshot(await self._profiles.student(request.student_id))

    async def BatchGetStudentSnapshots(
        self, request: pb.BatchGetStudentSnapshotsRequest, context: Context
    ) -> pb.BatchGetStudentSnapshotsResponse:
        students = await self._profiles.students(request.student_ids)
        return pb.BatchGetStudentSnapshotsResponse(
            snapshots=map(_student_snapshot, students.items), unavailable_ids=students.unavailable_ids
        )


def _cursor_of_token(token: Sequence[SortValue] | None) -> StudentPageCursor | None:
    if token is None:
        return None
    rank, student_id, least, *weights = cast(list[int], token)
    return StudentPageCursor((rank, str(student_id)), least, tuple(weights))


def _applied_filters(reading: ParsedQuery) -> list[common.AppliedFilter]:
    return [
        common.AppliedFilter(name=meaning.name, value=meaning.value, text=word.text)
        for word in reading.terms
        for meaning in word.filters
    ]


def _match_kind(found: StudentSearchPage) -> "common.MatchKind.ValueType":
    if found.least:
        return common.MATCH_KIND_PARTIAL
    return common.MATCH_KIND_ALL if found.reading.required_terms else common.MATCH_KIND_UNSPECIFIED


def _me_message(profile: Profile) -> pb.Me:
    message = entity_to_message(pb.Me, profile)
    message.etag = format_etag(profile.version)
    return message


def _edited_profile(profile: Profile, message: pb.Me) -> Profile:
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


def _company_state(number: pb.CompanyState.ValueType) -> CompanyState | None:
    return CompanyState(pb.CompanyState.Name(number).removeprefix("COMPANY_STATE_")) if number else None


def _company_message(company: Company) -> pb.Company:
    message = entity_to_message(pb.Company, company)
    message.etag = format_etag(company.version)
    return message


def _edited_company(company: Company, message: pb.Company) -> Company:
    edited = entity_from_message(Company, message, version=company.version)
    return replace(
        company,
        name=edited.name,
        url=edited.url,
        about=edited.about,
        locations=edited.locations,
        size=edited.size,
    )


def _student_card(entry: StudentEntry) -> pb.StudentCard:
    return entity_to_message(pb.StudentCard, entry)


def _student_snapshot(profile: Profile) -> pb.StudentSnapshot:
    """The profile for a company's eyes: whom the student has blocked is told apart from it."""
    student = profile.student or Student()
    return pb.StudentSnapshot(
        student_id=profile.id,
        name=profile.name,
        email=profile.email,
        profile=entity_to_message(pb.StudentProfile, replace(student, blocked_company_ids=())),
        etag=format_etag(profile.version),
        blocked_company_ids=student.blocked_company_ids,
    )
