"""The choice of the engine."""

from typing import Final, Literal

from chassis.grpc.engine.grpcio_engine import GrpcioEngine
from chassis.grpc.engine.server_engine import EnginePolicy, ServerEngine

EngineName = Literal["native", "grpcio"]
DEFAULT_ENGINE: Final[EngineName] = "native"


def build_engine(name: EngineName, policy: EnginePolicy) -> ServerEngine:
    """Return an engine without methods, which does not listen yet."""
    if name == "grpcio":
        return GrpcioEngine(policy)
    # Imported here: a process that does not use it need not have it.
    from chassis.grpc.engine.native_engine import NativeEngine  # noqa: PLC0415

    return NativeEngine(policy)
