"""The gRPC interface of the user service: each method parses, calls a use case and maps its answer."""

from typing import Final

from chassis.cache import Cache
from chassis.call_context import current_principal
from chassis.errors import not_found
from chassis.field_masks import apply_mask, changed_paths
from chassis.grpc.handlers import RpcContext
from chassis.grpc.server import cast_serialized
from chassis.observability.logging import get_logger
from chassis.page_tokens import PageTokens, clamp_page_size
from internshipconnect.user.v1 import user_pb2 as pb
from internshipconnect.user.v1.user_pb2_grpc import UserServiceServicer
from services.user.domain import Company, CompanyState, Profile
from services.user.domain.search import StudentSearchPage
from services.user.mapping import (
    company_message,
    company_state_from_number,
    cursor_from_token,
    cursor_to_token,
    edited_company,
    edited_profile,
    me_message,
    student_page_to_message,
    student_request_from_message,
    student_snapshot,
)
from services.user.service.manage_companies import ManageCompanies, company_cache_key
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.search_students import SearchStudents

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

_log = get_logger()


class UserServicer(UserServiceServicer):
    """`UserService` of the contract."""

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

    async def GetMe(self, request: pb.GetMeRequest, context: RpcContext) -> pb.Me:
        return me_message(await self._profiles.get(current_principal()))

    async def UpdateMe(self, request: pb.UpdateMeRequest, context: RpcContext) -> pb.Me:
        paths = changed_paths(request.me, request.update_mask, writable=WRITABLE_PROFILE_FIELDS)

        def edit(profile: Profile) -> Profile:
            message = me_message(profile)
            apply_mask(message, request.me, paths)
            return edited_profile(profile, message)

        return me_message(
            await self._profiles.update(current_principal(), edit, expected_etag=request.me.etag)
        )

    async def SearchStudents(
        self, request: pb.SearchStudentsRequest, context: RpcContext
    ) -> pb.SearchStudentsResponse:
        await self._companies.require_verified(current_principal())
        cursor = cursor_from_token(self._page_tokens.decode(request, request.page_token))
        found = await self._students.search(
            student_request_from_message(request, current_principal().org),
            cursor,
            clamp_page_size(request.page_size),
        )
        if missing := found.page.missing:
            _log.warning("students_searched_without_shards", shards=missing)
            context.set_trailing_metadata((("x-missing-shards", ",".join(missing)),))
        response = student_page_to_message(found)
        response.next_page_token = self._next_token(request, found)
        return response

    def _next_token(self, request: pb.SearchStudentsRequest, found: StudentSearchPage) -> str:
        position = cursor_to_token(found)
        return "" if position is None else self._page_tokens.encode(request, position)

    async def GetCompany(self, request: pb.GetCompanyRequest, context: RpcContext) -> pb.Company:
        async def load() -> pb.Company | None:
            company = await self._companies.get_company(request.company_id)
            return company_message(company) if company else None

        key = company_cache_key(request.company_id)
        answer = await self._cache.read_through(key, self._company_cache_s, load)
        if answer is None:
            raise not_found("COMPANY_NOT_FOUND", "company", request.company_id)
        return cast_serialized(pb.Company, answer)

    async def GetMyCompany(self, request: pb.GetMyCompanyRequest, context: RpcContext) -> pb.Company:
        return company_message(await self._companies.get_own_company(current_principal()))

    async def UpdateMyCompany(self, request: pb.UpdateMyCompanyRequest, context: RpcContext) -> pb.Company:
        paths = changed_paths(request.company, request.update_mask, writable=WRITABLE_COMPANY_FIELDS)

        def edit(company: Company) -> Company:
            message = company_message(company)
            apply_mask(message, request.company, paths)
            return edited_company(company, message)

        return company_message(
            await self._companies.update_own_company(
                current_principal(), edit, expected_etag=request.company.etag
            )
        )

    async def ListCompanies(
        self, request: pb.ListCompaniesRequest, context: RpcContext
    ) -> pb.ListCompaniesResponse:
        page = await self._companies.list_in_state(
            company_state_from_number(request.state), request.after_id, request.limit or DEFAULT_COMPANY_COUNT
        )
        return pb.ListCompaniesResponse(
            companies=map(company_message, page.companies), missing_shards=page.missing
        )

    async def SetCompanyState(self, request: pb.SetCompanyStateRequest, context: RpcContext) -> pb.Company:
        state = company_state_from_number(request.state) or CompanyState.UNVERIFIED
        return company_message(
            await self._companies.set_state(
                request.company_id, state, request.moderator, request.reason.strip()
            )
        )

    async def GetStudentSnapshot(
        self, request: pb.GetStudentSnapshotRequest, context: RpcContext
    ) -> pb.StudentSnapshot:
        profile = await self._profiles.get_student(request.student_id)
        return student_snapshot(profile, with_blind_profile=request.with_blind_profile, texts=request.texts)

    async def BatchGetStudentSnapshots(
        self, request: pb.BatchGetStudentSnapshotsRequest, context: RpcContext
    ) -> pb.BatchGetStudentSnapshotsResponse:
        students = await self._profiles.list_students(request.student_ids)
        return pb.BatchGetStudentSnapshotsResponse(
            snapshots=map(student_snapshot, students.items), unavailable_ids=students.unavailable_ids
        )
