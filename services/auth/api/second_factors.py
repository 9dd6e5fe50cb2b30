"""Second factors, and proving oneself again."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.auth.v1 import second_factors_pb2 as pb
from internshipconnect.auth.v1.second_factors_pb2_grpc import SecondFactorServiceServicer
from services.auth import mapping
from services.auth.service.manage_second_factors import ManageSecondFactors
from services.auth.visitor import current_visitor


class SecondFactorServicer(SecondFactorServiceServicer):
    """Answers the RPCs of `SecondFactorService`."""

    def __init__(self, factors: ManageSecondFactors) -> None:
        self._factors = factors

    async def GetSecondFactors(
        self, request: pb.GetSecondFactorsRequest, context: RpcContext
    ) -> pb.SecondFactors:
        return mapping.second_factors_message(await self._factors.get_account(current_principal().id))

    async def BeginAuthenticator(
        self, request: pb.BeginAuthenticatorRequest, context: RpcContext
    ) -> pb.BeginAuthenticatorResponse:
        secret, uri = await self._factors.begin(current_principal().id)
        return pb.BeginAuthenticatorResponse(secret=secret, uri=uri)

    async def ConfirmAuthenticator(
        self, request: pb.ConfirmAuthenticatorRequest, context: RpcContext
    ) -> pb.ConfirmAuthenticatorResponse:
        caller = current_principal()
        codes, renewed = await self._factors.confirm(
            caller.id, caller.session_id, request.code, current_visitor()
        )
        return pb.ConfirmAuthenticatorResponse(recovery_codes=codes, tokens=mapping.tokens_message(renewed))

    async def RemoveAuthenticator(
        self, request: pb.RemoveAuthenticatorRequest, context: RpcContext
    ) -> pb.RemoveAuthenticatorResponse:
        caller = current_principal()
        await self._factors.remove(caller.id, caller.amr)
        return pb.RemoveAuthenticatorResponse()

    async def RenewRecoveryCodes(
        self, request: pb.RenewRecoveryCodesRequest, context: RpcContext
    ) -> pb.RenewRecoveryCodesResponse:
        codes = await self._factors.renew_recovery_codes(current_principal().id)
        return pb.RenewRecoveryCodesResponse(recovery_codes=codes)

    async def Reauthenticate(
        self, request: pb.ReauthenticateRequest, context: RpcContext
    ) -> pb.ReauthenticateResponse:
        caller = current_principal()
        renewed = await self._factors.reauthenticate(
            caller.id, caller.session_id, request.password, request.second_factor, current_visitor()
        )
        return pb.ReauthenticateResponse(tokens=mapping.tokens_message(renewed))
