"""The chain that every call passes: its order is written here and nowhere else."""

from collections.abc import Sequence
from typing import Final, Protocol

from chassis.contracts import RpcSpec
from chassis.grpc.handlers import Handler, Interceptor
from chassis.grpc.interceptors.admission import Admission
from chassis.grpc.interceptors.authentication import Authentication, Revocations, Tickets, Verifier
from chassis.grpc.interceptors.authorisation import Authorisation
from chassis.grpc.interceptors.deadline import Deadline
from chassis.grpc.interceptors.errors import Errors
from chassis.grpc.interceptors.idempotency import Idempotency
from chassis.grpc.interceptors.liveness import Liveness
from chassis.grpc.interceptors.liveness import Revocations as LookingAgain
from chassis.grpc.interceptors.logging import Logging
from chassis.grpc.interceptors.metrics import Metrics
from chassis.grpc.interceptors.tracing import Tracing
from chassis.grpc.interceptors.validation import Validation
from chassis.grpc.pressure import Pressure
from chassis.idempotency import Claims

MOST_IN_FLIGHT: Final = 1_000
MOST_STREAMS: Final = 1_000


class AllRevocations(Revocations, LookingAgain, Protocol):
    """What the chain needs to know of sessions that have ended."""


def standard_chain(
    *,
    verifier: Verifier,
    revocations: AllRevocations,
    claims: Claims,
    pressure: Pressure | None = None,
    tickets: Tickets | None = None,
) -> tuple[Interceptor, ...]:
    """The interceptors from the outermost to the innermost; `pressure` bounds the calls in flight."""
    return (
        Tracing(),
        Metrics(),
        Logging(),
        Errors(),
        Admission(pressure or Pressure(MOST_IN_FLIGHT), MOST_STREAMS),
        Deadline(),
        Authentication(verifier, revocations, tickets),
        Authorisation(),
        Liveness(revocations),
        Validation(),
        Idempotency(claims),
    )


def compiled(chain: Sequence[Interceptor], rpc: RpcSpec, handler: Handler) -> Handler:
    """One handler that does what all interceptors of `chain` do, the first one outermost."""
    for interceptor in reversed(chain):
        handler = interceptor.bind(rpc, handler)
    return handler
