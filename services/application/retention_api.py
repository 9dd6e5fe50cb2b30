"""The gRPC API of how long companies keep applications."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.application.v1 import retention_pb2 as pb
from internshipconnect.application.v1.retention_pb2_grpc import RetentionServiceServicer
from services.application.domain.model import Application
from services.application.service.manage_retention import ManageRetention


class RetentionServicer(RetentionServiceServicer):
    """Answers the RPCs of `RetentionService`."""

    def __init__(self, retention: ManageRetention) -> None:
        self._retention = retention

    async def GetRetentionRule(
        self, request: pb.GetRetentionRuleRequest, context: RpcContext
    ) -> pb.RetentionRule:
        return pb.RetentionRule(days=(await self._retention.get_rule(current_principal())).days)

    async def SetRetentionRule(
        self, request: pb.SetRetentionRuleRequest, context: RpcContext
    ) -> pb.RetentionRule:
        rule = await self._retention.set_rule(current_principal(), request.days)
        return pb.RetentionRule(days=rule.days)

    async def PlaceLegalHold(self, request: pb.PlaceLegalHoldRequest, context: RpcContext) -> pb.LegalHold:
        return legal_hold_message(
            await self._retention.place_hold(current_principal(), request.application_id, request.reason)
        )

    async def LiftLegalHold(self, request: pb.LiftLegalHoldRequest, context: RpcContext) -> pb.LegalHold:
        return legal_hold_message(await self._retention.lift_hold(request.application_id))


def legal_hold_message(application: Application) -> pb.LegalHold:
    """Return whether an application is on hold."""
    message = pb.LegalHold(application_id=application.id)
    if (hold := application.legal_hold) is not None:
        message.held, message.reason = True, hold.reason
        message.place_time.FromDatetime(hold.place_time)
    return message
