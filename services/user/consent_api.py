"""The gRPC interface of people's own consents."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from chassis.page_tokens import PageTokens, clamp_page_size
from internshipconnect.user.v1 import consents_pb2 as pb
from internshipconnect.user.v1.consents_pb2_grpc import ConsentServiceServicer
from services.user.consent_mapping import (
    consent_entry_message,
    consent_message,
    consent_purpose_from_number,
    given_consent,
    withdrawn_consent,
)
from services.user.service.manage_consents import ManageConsents


class ConsentServicer(ConsentServiceServicer):
    """`ConsentService` of the contract; every call is about the caller's own consents."""

    def __init__(self, consents: ManageConsents, page_tokens: PageTokens) -> None:
        self._consents = consents
        self._page_tokens = page_tokens

    async def GiveConsent(self, request: pb.GiveConsentRequest, context: RpcContext) -> pb.Consent:
        return consent_message(await self._consents.decide(current_principal(), given_consent(request)))

    async def WithdrawConsent(self, request: pb.WithdrawConsentRequest, context: RpcContext) -> pb.Consent:
        return consent_message(await self._consents.decide(current_principal(), withdrawn_consent(request)))

    async def ListConsents(
        self, request: pb.ListConsentsRequest, context: RpcContext
    ) -> pb.ListConsentsResponse:
        found = await self._consents.list_all(current_principal())
        return pb.ListConsentsResponse(data=map(consent_message, found))

    async def ListConsentEntries(
        self, request: pb.ListConsentEntriesRequest, context: RpcContext
    ) -> pb.ListConsentEntriesResponse:
        position = self._page_tokens.decode(request, request.page_token)
        rows, more = await self._consents.list_entries(
            current_principal(),
            consent_purpose_from_number(request.purpose),
            after=int(position[0] or 0) if position else 0,
            size=clamp_page_size(request.page_size),
        )
        return pb.ListConsentEntriesResponse(
            data=map(consent_entry_message, rows),
            next_page_token=self._page_tokens.encode(request, [rows[-1].number]) if more else "",
        )
