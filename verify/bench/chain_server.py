"""A public read with a constant answer behind the services' whole chain, in a process of its own.

The process has the frame of all processes: settings, logs, the ops port, uvloop.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from chassis.call_context import Principal
from chassis.errors import DomainError
from chassis.grpc.interceptor_chain import build_standard_chain
from chassis.grpc.server import build_grpc_server, cast_serialized
from chassis.idempotency import IdempotencyClaim, IdempotentOperation
from chassis.process import run_process
from chassis.readiness import ReadinessCheck
from chassis.settings import ProcessSettings
from internshipconnect.internship.v1 import internship_pb2, internship_pb2_grpc
from verify.bench.constant_read import GET_RESPONSE


class UnusedAuthentication:
    """Stands in for tokens, sessions and idempotency claims, which a public read does not need."""

    async def verify(self, token: str) -> Principal:
        raise DomainError("TOKEN_INVALID", token)

    async def raise_if_revoked(self, session_id: str) -> None:
        raise DomainError("SESSION_REVOKED", session_id)

    async def raise_if_revoked_now(self, session_id: str) -> None:
        raise DomainError("SESSION_REVOKED", session_id)

    async def claim_operation(self, claim: IdempotencyClaim, lease_s: float) -> IdempotentOperation | bytes:
        raise DomainError("INTERNAL", claim.id)

    async def find_answer(self, claim: IdempotencyClaim) -> bytes | None:
        raise DomainError("INTERNAL", claim.id)

    async def store_answer(self, claim: IdempotencyClaim, answer: bytes) -> None: ...

    async def release(self, claim: IdempotencyClaim) -> None: ...

    async def expire(self, claim: IdempotencyClaim) -> None: ...


def build_servicer(read: Callable[[], Awaitable[bytes]]) -> object:
    """Return a servicer whose GetInternship answers what `read` returns; no other RPC is called."""

    async def get_internship(_self: object, _request: object, _context: object) -> internship_pb2.Internship:
        return cast_serialized(internship_pb2.Internship, await read())

    async def unused_rpc(_self: object, _request: object, _context: object) -> None: ...

    base = internship_pb2_grpc.InternshipServiceServicer
    methods = {name: unused_rpc for name in vars(base) if name[0].isupper()}
    return type("BenchmarkServicer", (base,), methods | {"GetInternship": get_internship})()


class ChainProcess:
    """Serves the constant answer."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._address = f"{settings.listen_host}:{settings.grpc_port}"
        unused = UnusedAuthentication()
        chain = build_standard_chain(verifier=unused, revocations=unused, claims=unused)
        self._server = build_grpc_server([build_servicer(_read_constant)], chain, settings.grpc_engine)

    def checks(self) -> list[ReadinessCheck]:
        return []

    async def start(self) -> None:
        self._server.listen(self._address)
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)


async def _read_constant() -> bytes:
    return GET_RESPONSE


async def _prepare(settings: ProcessSettings, _closing: AsyncExitStack) -> ChainProcess:
    return ChainProcess(settings)


if __name__ == "__main__":
    run_process("chain", "serve", ProcessSettings, _prepare)
