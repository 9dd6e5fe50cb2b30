"""gRPC reflection of the public services, v1 and v1alpha; the gateway routes it here.

The two differ in the package's name only, so one servicer answers both, from the present contracts.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from chassis.contracts import Contracts
from gateway.api_surface import REFLECTION_METHOD, REFLECTION_SERVICES, edge_rpcs


def add_reflection(server: grpc.aio.Server, contracts: Callable[[], Contracts]) -> None:
    """Add reflection of the services that the contracts offer to clients."""

    async def answer(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        current = contracts()
        names = sorted({rpc.service for rpc in edge_rpcs(current)})
        servicer: Any = ReflectionServicer(names, pool=_descriptor_pool(current))
        async for response in servicer.ServerReflectionInfo(requests, context):
            yield response

    method = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = [
        grpc.method_handlers_generic_handler(name, {REFLECTION_METHOD: method})
        for name in REFLECTION_SERVICES
    ]
    server.add_generic_rpc_handlers(tuple(handlers))


def _descriptor_pool(contracts: Contracts) -> DescriptorPool:
    pool: DescriptorPool = contracts.services[0].file.pool
    return pool
