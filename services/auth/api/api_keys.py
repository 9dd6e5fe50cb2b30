"""API keys of the caller's company."""

from datetime import timedelta

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.auth.v1 import api_keys_pb2 as pb
from internshipconnect.auth.v1.api_keys_pb2_grpc import ApiKeyServiceServicer
from services.auth import mapping
from services.auth.service.manage_api_keys import ManageApiKeys


class ApiKeyServicer(ApiKeyServiceServicer):
    """Answers the RPCs of `ApiKeyService`."""

    def __init__(self, keys: ManageApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: RpcContext
    ) -> pb.CreateApiKeyResponse:
        caller = current_principal()
        key, secret = await self._keys.create(
            caller.id,
            caller.org,
            name=request.name,
            scopes=mapping.scopes_from_numbers(request.scopes),
            life=timedelta(days=request.life_days),
        )
        return pb.CreateApiKeyResponse(api_key=mapping.api_key_message(key), secret=secret)

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: RpcContext
    ) -> pb.ListApiKeysResponse:
        caller = current_principal()
        keys = await self._keys.list_keys(caller.id, caller.org)
        return pb.ListApiKeysResponse(data=[mapping.api_key_message(each) for each in keys])

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: RpcContext
    ) -> pb.RevokeApiKeyResponse:
        caller = current_principal()
        await self._keys.revoke(caller.id, caller.org, request.api_key_id)
        return pb.RevokeApiKeyResponse()
