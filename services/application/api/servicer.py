"""Parse, call, map."""

from datetime import UTC
from typing import Any

import grpc

from chassis.call_context import current_operation, current_principal
from chassis.clock import Clock
from chassis.page_tokens import PageTokens, SortValue, clamp_page_size
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.application.v1.application_pb2_grpc import ApplicationServiceServicer
from services.application import mapping
from services.application.domain.model import Application, ApplicationState
from services.application.service import AcceptOffers, ListApplicants, ManageApplications

Context = grpc.aio.ServicerContext[Any, Any]


class ApplicationServicer(ApplicationServiceServicer):
    """Answers the RPCs of `ApplicationService`."""

    def __init__(
        self,
        applications: ManageApplications,
        acceptances: AcceptOffers,
        applicants: ListApplicants,
        page_tokens: PageTokens,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._acceptances = acceptances
        self._applicants = applicants
        self._page_tokens = page_tokens
        self._clock = clock

    async def SubmitApplication(
        self, request: pb.SubmitApplicationRequest, context: Context
    ) -> pb.Application:
        answers = mapping.answers_from_request(request)
        application = await self._applications.submit(
            current_principal(), request.internship_id, answers, request.cover_letter, current_operation()
        )
        return self._for_caller(application)

    async def ListMyApplications(
        self, request: pb.ListMyApplicationsRequest, context: Context
    ) -> pb.ListMyApplicationsResponse:
        size = clamp_page_size(request.page_size)
        after_id = _last_seen_id(self._page_tokens.decode(request, request.page_token))
        found = await self._applications.of_student(current_principal(), after_id, size + 1)
        more = len(found) > size
        return pb.ListMyApplicationsResponse(
            data=map(self._for_caller, found[:size]),
            next_page_token=self._page_tokens.encode(request, [found[size - 1].id]) if more else "",
        )

    async def GetApplication(self, request: pb.GetApplicationRequest, context: Context) -> pb.Application:
        return self._for_caller(await self._applications.look(request.application_id, current_principal()))

    async def MoveApplication(self, request: pb.MoveApplicationRequest, context: Context) -> pb.Application:
        expiry = request.offer_expire_time.ToDatetime(tzinfo=UTC)
        application = await self._applications.move(
            request.application_id,
            current_principal(),
            mapping.state_from_number(request.to),
            expected_state=mapping.state_from_number(request.expected_state)
            if request.expected_state
            else None,
            etag=request.etag,
            note=request.note,
            offer_expire_time=expiry if request.HasField("offer_expire_time") else None,
            operation=current_operation(),
        )
        return self._for_caller(application)

    async def WithdrawApplication(
        self, request: pb.WithdrawApplicationRequest, context: Context
    ) -> pb.Application:
        application = await self._applications.withdraw(
            request.application_id, current_principal(), request.etag, current_operation()
        )
        return self._for_caller(application)

    async def AcceptOffer(self, request: pb.AcceptOfferRequest, context: Context) -> pb.Application:
        application = await self._acceptances.accept(
            request.application_id, current_principal(), request.etag, current_operation()
        )
        return self._for_caller(application)

    async def DeclineOffer(self, request: pb.DeclineOfferRequest, context: Context) -> pb.Application:
        application = await self._applications.decline(
            request.application_id, current_principal(), request.etag, current_operation()
        )
        return self._for_caller(application)

    async def ListApplicants(
        self, request: pb.ListApplicantsRequest, context: Context
    ) -> pb.ListApplicantsResponse:
        size = clamp_page_size(request.page_size)
        after_id = _last_seen_id(self._page_tokens.decode(request, request.page_token))
        states: set[ApplicationState] = {mapping.state_from_number(state) for state in request.states}
        rows = await self._applicants.of_listing(
            current_principal(), request.internship_id, states, after_id, size + 1
        )
        more = len(rows) > size
        return pb.ListApplicantsResponse(
            data=map(mapping.applicant_card, rows[:size]),
            next_page_token=self._page_tokens.encode(request, [rows[size - 1].id]) if more else "",
        )

    def _for_caller(self, application: Application) -> pb.Application:
        now = self._clock.now()
        reader = current_principal()
        if reader.kind == "STUDENT":
            return mapping.application_for_student(application, now)
        return mapping.application_for_company(application, reader, now)


def _last_seen_id(position: list[SortValue] | None) -> str | None:
    return None if position is None else str(position[0])
