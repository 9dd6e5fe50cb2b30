"""Envoy's `envoy.service.auth.v3.Authorization`: the gateway exchanges API keys before it verifies tokens.

It is no API of ours, so no contract declares it. Who can reach it learns nothing without a key.
"""

from typing import Final

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.auth.v3 import external_auth_pb2 as pb
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2

from chassis.errors import DomainError
from chassis.grpc.engine.server_engine import EngineMethod, serialize_message
from chassis.grpc.handlers import RpcContext
from services.auth.service.exchange_api_keys import ExchangeApiKeys

CHECK_METHOD: Final = "/envoy.service.auth.v3.Authorization/Check"
_BEARER: Final = "Bearer "
_HTTP_UNAUTHORIZED: Final = 401


class GatewayCheckServicer:
    """Takes and returns bytes, as methods outside of the contracts do."""

    def __init__(self, keys: ExchangeApiKeys) -> None:
        self._keys = keys

    async def Check(self, raw: bytes, context: RpcContext) -> bytes:
        """Answer with the header that replaces the key's, or with a refusal that names its reason."""
        try:
            request = pb.CheckRequest.FromString(raw)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The request is no CheckRequest.")
        header = request.attributes.request.http.headers.get("authorization", "")
        try:
            token = await self._keys.exchange(header.removeprefix(_BEARER))
        except DomainError as error:
            if error.reason != "API_KEY_INVALID":
                await context.abort(grpc.StatusCode.UNAVAILABLE, error.message)
            return _refusal(error.reason)
        return _admission(token)

    def methods(self) -> tuple[EngineMethod, ...]:
        """Return the methods for the server."""
        return (EngineMethod(CHECK_METHOD, is_streaming=False, handler=self.Check),)


def _admission(token: str) -> bytes:
    replaced = HeaderValueOption(
        header=HeaderValue(key="authorization", value=f"{_BEARER}{token}"),
        append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return serialize_message(
        pb.CheckResponse(
            status=status_pb2.Status(code=code_pb2.OK), ok_response=pb.OkHttpResponse(headers=[replaced])
        )
    )


def _refusal(reason: str) -> bytes:
    """Return a refusal; the gateway's script makes our error of the reason in its body."""
    denied = pb.DeniedHttpResponse(status=HttpStatus(code=_HTTP_UNAUTHORIZED), body=reason)
    return serialize_message(
        pb.CheckResponse(status=status_pb2.Status(code=code_pb2.UNAUTHENTICATED), denied_response=denied)
    )
