"""The gRPC API of the application service: parse, call, map."""

from chassis.call_context import current_operation, current_principal
from chassis.clock import Clock
from chassis.grpc.handlers import RpcContext
from chassis.message_fields import read_timestamp
from chassis.page_tokens import PageTokens, SortValue, clamp_page_size
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.application.v1.application_pb2_grpc import ApplicationServiceServicer
from internshipconnect.user.v1 import documents_pb2
from services.application import mapping
from services.application.domain.model import Application
from services.application.service.submit_application import SubmissionForm
from services.application.service.use_cases import ApplicationUseCases


class ApplicationServicer(ApplicationServiceServicer):
    """Answers the RPCs of `ApplicationService`."""

    def __init__(self, cases: ApplicationUseCases, page_tokens: PageTokens, clock: Clock) -> None:
        self._cases = cases
        self._page_tokens = page_tokens
        self._clock = clock

    async def SubmitApplication(
        self, request: pb.SubmitApplicationRequest, context: RpcContext
    ) -> pb.Application:
        form = SubmissionForm(
            request.internship_id,
            mapping.answers_from_request(request),
            request.cover_letter,
            tuple(request.document_ids),
        )
        stored: list[pb.Application] = []

        def encode(application: Application) -> bytes:
            stored.append(self._message_for_caller(application))
            return stored[0].SerializeToString()

        application = await self._cases.submission.submit(
            current_principal(), form, current_operation(), encode
        )
        return stored[0] if stored else self._message_for_caller(application)

    async def ListMyApplications(
        self, request: pb.ListMyApplicationsRequest, context: RpcContext
    ) -> pb.ListMyApplicationsResponse:
        size = clamp_page_size(request.page_size)
        after_id = _last_seen_id(self._page_tokens.decode(request, request.page_token))
        found = await self._cases.reading.list_of_student(current_principal(), after_id, size + 1)
        has_more = len(found) > size
        return pb.ListMyApplicationsResponse(
            data=map(self._message_for_caller, found[:size]),
            next_page_token=self._page_tokens.encode(request, [found[size - 1].id]) if has_more else "",
        )

    async def GetApplication(self, request: pb.GetApplicationRequest, context: RpcContext) -> pb.Application:
        application = await self._cases.reading.open_application(request.application_id, current_principal())
        return self._message_for_caller(application)

    async def GetApplicationDocumentUrl(
        self, request: pb.GetApplicationDocumentUrlRequest, context: RpcContext
    ) -> documents_pb2.DocumentDownload:
        link = await self._cases.reading.open_document(
            request.application_id, request.document_id, current_principal()
        )
        return mapping.document_download_message(link)

    async def MoveApplication(
        self, request: pb.MoveApplicationRequest, context: RpcContext
    ) -> pb.Application:
        application = await self._cases.moving.move(
            request.application_id,
            current_principal(),
            mapping.state_from_number(request.to),
            expected_state=mapping.state_or_none_from_number(request.expected_state),
            etag=request.etag,
            note=request.note,
            offer_expire_time=read_timestamp(request, "offer_expire_time"),
            operation=current_operation(),
        )
        return self._message_for_caller(application)

    async def WithdrawApplication(
        self, request: pb.WithdrawApplicationRequest, context: RpcContext
    ) -> pb.Application:
        application = await self._cases.moving.withdraw(
            request.application_id, current_principal(), request.etag, current_operation()
        )
        return self._message_for_caller(application)

    async def AcceptOffer(self, request: pb.AcceptOfferRequest, context: RpcContext) -> pb.Application:
        application = await self._cases.acceptance.accept_offer(
            request.application_id, current_principal(), request.etag, current_operation()
        )
        return self._message_for_caller(application)

    async def DeclineOffer(self, request: pb.DeclineOfferRequest, context: RpcContext) -> pb.Application:
        application = await self._cases.moving.decline(
            request.application_id, current_principal(), request.etag, current_operation()
        )
        return self._message_for_caller(application)

    async def ListApplicants(
        self, request: pb.ListApplicantsRequest, context: RpcContext
    ) -> pb.ListApplicantsResponse:
        size = clamp_page_size(request.page_size)
        after_id = _last_seen_id(self._page_tokens.decode(request, request.page_token))
        states = {mapping.state_from_number(state) for state in request.states}
        rows = await self._cases.applicants.list_of_listing(
            current_principal(), request.internship_id, states, after_id, size + 1
        )
        has_more = len(rows) > size
        return pb.ListApplicantsResponse(
            data=map(mapping.applicant_card, rows[:size]),
            next_page_token=self._page_tokens.encode(request, [rows[size - 1].id]) if has_more else "",
        )

    def _message_for_caller(self, application: Application) -> pb.Application:
        now = self._clock.now()
        principal = current_principal()
        if principal.kind == "STUDENT":
            return mapping.application_for_student(application, now)
        return mapping.application_for_company(application, principal, now)


def _last_seen_id(position: list[SortValue] | None) -> str | None:
    return None if position is None else str(position[0])
