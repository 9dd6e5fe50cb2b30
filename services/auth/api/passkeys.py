"""Passkeys."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.auth.v1 import auth_pb2
from internshipconnect.auth.v1 import passkeys_pb2 as pb
from internshipconnect.auth.v1.passkeys_pb2_grpc import PasskeyServiceServicer
from services.auth import mapping
from services.auth.api.accounts import add_allowance_headers
from services.auth.api.answers import SignInAnswers
from services.auth.service.answer_floor import taking_at_least
from services.auth.service.manage_passkeys import ManagePasskeys
from services.auth.service.passkey_sign_in import PasskeySignIn
from services.auth.visitor import current_visitor


class PasskeyServicer(PasskeyServiceServicer):
    """Answers the RPCs of `PasskeyService`."""

    def __init__(self, passkeys: ManagePasskeys, sign_in: PasskeySignIn, answers: SignInAnswers) -> None:
        self._passkeys = passkeys
        self._sign_in = sign_in
        self._answers = answers

    async def BeginPasskeyRegistration(
        self, request: pb.BeginPasskeyRegistrationRequest, context: RpcContext
    ) -> pb.BeginPasskeyRegistrationResponse:
        ticket, options = await self._passkeys.begin(current_principal().id)
        return pb.BeginPasskeyRegistrationResponse(ticket=ticket, options=options)

    async def CompletePasskeyRegistration(
        self, request: pb.CompletePasskeyRegistrationRequest, context: RpcContext
    ) -> pb.Passkey:
        caller = current_principal()
        added = await self._passkeys.complete(
            caller.id, caller.amr, request.ticket, request.credential, request.name
        )
        return mapping.passkey_message(added)

    async def ListPasskeys(
        self, request: pb.ListPasskeysRequest, context: RpcContext
    ) -> pb.ListPasskeysResponse:
        found = await self._passkeys.list_passkeys(current_principal().id)
        return pb.ListPasskeysResponse(data=[mapping.passkey_message(each) for each in found])

    async def RenamePasskey(self, request: pb.RenamePasskeyRequest, context: RpcContext) -> pb.Passkey:
        return mapping.passkey_message(
            await self._passkeys.rename(current_principal().id, request.passkey_id, request.name)
        )

    async def RemovePasskey(
        self, request: pb.RemovePasskeyRequest, context: RpcContext
    ) -> pb.RemovePasskeyResponse:
        caller = current_principal()
        await self._passkeys.remove(caller.id, caller.amr, request.passkey_id)
        return pb.RemovePasskeyResponse()

    async def BeginPasskeySignIn(
        self, request: pb.BeginPasskeySignInRequest, context: RpcContext
    ) -> pb.BeginPasskeySignInResponse:
        ticket, options = await self._sign_in.begin()
        return pb.BeginPasskeySignInResponse(ticket=ticket, options=options)

    async def CompletePasskeySignIn(
        self, request: pb.CompletePasskeySignInRequest, context: RpcContext
    ) -> auth_pb2.SessionResponse:
        visitor = current_visitor(request.device_token)
        async with taking_at_least():
            signed_in = await self._sign_in.complete(
                request.ticket, request.credential, visitor, add_allowance_headers
            )
        return self._answers.begin_session(signed_in)

    async def ReauthenticateWithPasskey(
        self, request: pb.ReauthenticateWithPasskeyRequest, context: RpcContext
    ) -> pb.ReauthenticateWithPasskeyResponse:
        caller = current_principal()
        renewed = await self._sign_in.reauthenticate(
            caller.id, caller.session_id, request.ticket, request.credential, current_visitor()
        )
        return pb.ReauthenticateWithPasskeyResponse(tokens=mapping.tokens_message(renewed))
