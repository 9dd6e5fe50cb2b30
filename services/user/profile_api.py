"""The gRPC interface of profiles that travel, are complete, and show who looked."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from chassis.page_tokens import PageTokens, clamp_page_size
from chassis.search.skill_taxonomy import DEFAULT_SKILL_SUGGESTIONS, shared_skill_taxonomy
from internshipconnect.user.v1 import profiles_pb2 as pb
from internshipconnect.user.v1.profiles_pb2_grpc import ProfileServiceServicer
from services.user.profile_mapping import (
    access_message,
    completeness_message,
    document_from_struct,
    export_response,
    import_response,
    suggestions_message,
    visible_student_message,
)
from services.user.service.exchange_resumes import ExchangeResumes
from services.user.service.view_students import ViewStudents


class ProfileServicer(ProfileServiceServicer):
    """`ProfileService` of the contract."""

    def __init__(self, resumes: ExchangeResumes, views: ViewStudents, page_tokens: PageTokens) -> None:
        self._resumes = resumes
        self._views = views
        self._page_tokens = page_tokens

    async def ExportJsonResume(
        self, request: pb.ExportJsonResumeRequest, context: RpcContext
    ) -> pb.ExportJsonResumeResponse:
        return export_response(await self._resumes.export(current_principal()))

    async def ImportJsonResume(
        self, request: pb.ImportJsonResumeRequest, context: RpcContext
    ) -> pb.ImportJsonResumeResponse:
        profile, draft = await self._resumes.import_resume(
            current_principal(),
            document_from_struct(request.resume),
            is_dry_run=request.dry_run,
            expected_etag=request.etag,
        )
        return import_response(profile, draft)

    async def GetProfileCompleteness(
        self, request: pb.GetProfileCompletenessRequest, context: RpcContext
    ) -> pb.ProfileCompleteness:
        return completeness_message(await self._resumes.measure(current_principal()))

    async def SuggestSkills(
        self, request: pb.SuggestSkillsRequest, context: RpcContext
    ) -> pb.SuggestSkillsResponse:
        return suggestions_message(
            shared_skill_taxonomy().suggest(request.q, request.limit or DEFAULT_SKILL_SUGGESTIONS)
        )

    async def GetStudent(self, request: pb.GetStudentRequest, context: RpcContext) -> pb.VisibleStudent:
        return visible_student_message(
            await self._views.open_student(current_principal(), request.student_id, is_blind=request.blind)
        )

    async def ListProfileAccesses(
        self, request: pb.ListProfileAccessesRequest, context: RpcContext
    ) -> pb.ListProfileAccessesResponse:
        position = self._page_tokens.decode(request, request.page_token)
        rows, more = await self._views.list_accesses(
            current_principal(),
            str(position[0]) if position else None,
            clamp_page_size(request.page_size),
        )
        return pb.ListProfileAccessesResponse(
            data=map(access_message, rows),
            next_page_token=self._page_tokens.encode(request, [rows[-1].id]) if more else "",
        )
