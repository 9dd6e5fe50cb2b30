"""Signing in with other providers, and the identities of an account there."""

from chassis.call_context import current_call, current_principal
from chassis.grpc.handlers import RpcContext
from chassis.languages import preferred_language
from internshipconnect.auth.v1 import auth_pb2
from internshipconnect.auth.v1 import identities_pb2 as pb
from internshipconnect.auth.v1.identities_pb2_grpc import IdentityServiceServicer
from services.auth import mapping
from services.auth.api.answers import SignInAnswers
from services.auth.domain.accounts import AccountKind
from services.auth.service.provider_accounts import Newcomer
from services.auth.service.provider_sign_in import ProviderAnswer, ProviderSignIn
from services.auth.visitor import current_visitor


class IdentityServicer(IdentityServiceServicer):
    """Answers the RPCs of `IdentityService`."""

    def __init__(self, sign_in: ProviderSignIn, answers: SignInAnswers) -> None:
        self._sign_in = sign_in
        self._answers = answers

    async def ListSignInProviders(
        self, request: pb.ListSignInProvidersRequest, context: RpcContext
    ) -> pb.ListSignInProvidersResponse:
        providers = self._sign_in.list_providers()
        return pb.ListSignInProvidersResponse(
            data=[pb.SignInProvider(id=each.id, name=each.name) for each in providers]
        )

    async def BeginProviderSignIn(
        self, request: pb.BeginProviderSignInRequest, context: RpcContext
    ) -> pb.BeginProviderSignInResponse:
        url, ticket = await self._sign_in.begin(request.provider_id)
        return pb.BeginProviderSignInResponse(authorization_url=url, ticket=ticket)

    async def CompleteProviderSignIn(
        self, request: pb.CompleteProviderSignInRequest, context: RpcContext
    ) -> auth_pb2.SessionResponse:
        kind = mapping.account_kind_from_number(request.kind) if request.kind else AccountKind.STUDENT
        locale = preferred_language(current_call().metadata_text("accept-language"))
        signed_in = await self._sign_in.complete(
            ProviderAnswer(request.ticket, request.state, request.code, request.second_factor),
            Newcomer(kind, request.company_name, locale),
            current_visitor(request.device_token),
        )
        return self._answers.begin_session(signed_in)

    async def ListIdentities(
        self, request: pb.ListIdentitiesRequest, context: RpcContext
    ) -> pb.ListIdentitiesResponse:
        identities = await self._sign_in.list_identities(current_principal().id)
        return pb.ListIdentitiesResponse(data=[mapping.identity_message(each) for each in identities])

    async def UnlinkIdentity(
        self, request: pb.UnlinkIdentityRequest, context: RpcContext
    ) -> pb.UnlinkIdentityResponse:
        await self._sign_in.unlink(current_principal().id, request.identity_id)
        return pb.UnlinkIdentityResponse()
