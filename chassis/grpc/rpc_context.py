"""The context that gRPC gives to a servicer's methods."""

from typing import Any, TypeAlias

import grpc

RpcContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]
