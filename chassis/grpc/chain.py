"""The chain that every call passes: its order is written here and nowhere else."""

from collections.abc import Sequence
from typing import Final

from chassis.contracts import RpcSpec
from chassis.grpc.handlers import Handler, Interceptor
from chassis.grpc.interceptors.admission import Admission
from chassis.grpc.interceptors.authentication import Authentication, Revocations, Verifier
from chassis.grpc.interceptors.authorisation import Authorisation
from chassis.grpc.interceptors.deadline import Deadline
from chassis.grpc.interceptors.errors import Errors
from chassis.grpc.interceptors.idempotency import Idempotency
from chassis.grpc.interceptors.logging import Logging
from chassis.grpc.interceptors.metrics import Metrics
from chassis.grpc.interceptors.tracing import Tracing
from chassis.grpc.interceptors.validation import Validation
from chassis.grpc.pressure import Pressure
from chassis.idempotency import Claims

MOST_IN_FLIGHT: Final = 1_000
MOST_STREAMS: Final = 1_000


def standard_chain(
    *, verifier: Verifier, revocations: Revocations, claims: Claims, pressure: Pressure | None = None
) -> tuple[Interceptor, ...]:
    """The interceptors from the outermost to the innermost; `pressure` bounds the calls in flight."""
    return (
        Tracing(),
        Metrics(),
        Logging(),
        Errors(),
        Admission(pressure or Pressure(MOST_IN_FLIGHT), MOST_STREAMS),
        Deadline(),
        Authentication(verifier, revocations),
        Authorisation(),
        Validation(),
        Idempotency(claims),
    )


def compiled(chain: Sequence[Interceptor], rpc: RpcSpec, handler: Handler) -> Handler:
    """One handler that does what all interceptors of `chain` do, the first one outermost."""
    for interceptor in reversed(chain):
        handler = interceptor.bind(rpc, handler)
    return handler
