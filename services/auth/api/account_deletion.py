"""The deletion of one's own account."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.auth.v1 import erasure_pb2 as pb
from internshipconnect.auth.v1.erasure_pb2_grpc import AccountDeletionServiceServicer
from services.auth import mapping
from services.auth.service.delete_accounts import DeleteAccounts


class AccountDeletionServicer(AccountDeletionServiceServicer):
    """Answers the RPCs of `AccountDeletionService`."""

    def __init__(self, deletions: DeleteAccounts) -> None:
        self._deletions = deletions

    async def DeleteMyAccount(
        self, request: pb.DeleteMyAccountRequest, context: RpcContext
    ) -> pb.AccountDeletion:
        caller = current_principal()
        return mapping.deletion_message(await self._deletions.begin(caller.id, caller.session_id))

    async def GetAccountDeletion(
        self, request: pb.GetAccountDeletionRequest, context: RpcContext
    ) -> pb.AccountDeletion:
        return mapping.deletion_message(await self._deletions.get(current_principal().id))

    async def CancelAccountDeletion(
        self, request: pb.CancelAccountDeletionRequest, context: RpcContext
    ) -> pb.CancelAccountDeletionResponse:
        await self._deletions.cancel(current_principal().id)
        return pb.CancelAccountDeletionResponse()
