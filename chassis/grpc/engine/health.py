"""grpc.health.v1.Health as methods of an engine."""

from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from chassis.grpc.engine.server_engine import EngineMethod, serialize_message
from chassis.grpc.handlers import RpcContext

HEALTH_SERVICE_NAME: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


def health_methods(health: health_aio.HealthServicer) -> tuple[EngineMethod, ...]:
    """Return the methods of grpc.health.v1.Health for an engine."""

    async def check(raw: bytes, context: RpcContext) -> bytes:
        return serialize_message(await health.Check(await _parse_health_request(raw, context), context))

    async def watch(raw: bytes, context: RpcContext) -> bytes:
        await health.Watch(await _parse_health_request(raw, context), context)
        return b""

    return (
        EngineMethod(f"/{HEALTH_SERVICE_NAME}/Check", is_streaming=False, handler=check),
        EngineMethod(f"/{HEALTH_SERVICE_NAME}/Watch", is_streaming=True, handler=watch),
    )


async def _parse_health_request(raw: bytes, context: RpcContext) -> Any:
    try:
        return health_pb2.HealthCheckRequest.FromString(raw)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The request is no HealthCheckRequest.")
