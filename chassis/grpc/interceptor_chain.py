"""The chain of interceptors that every call passes; their order is written only here."""

from collections.abc import Sequence
from typing import Final, Protocol

from chassis.contracts import RpcSpec
from chassis.grpc.adaptive_concurrency import AdaptiveConcurrencyLimit
from chassis.grpc.handlers import Interceptor, RpcHandler
from chassis.grpc.interceptors.admission import AdmissionInterceptor
from chassis.grpc.interceptors.authentication import (
    AuthenticationInterceptor,
    PrincipalVerifier,
    RevocationCheck,
    TicketRedeemer,
)
from chassis.grpc.interceptors.authorisation import AuthorisationInterceptor
from chassis.grpc.interceptors.deadline import DeadlineInterceptor
from chassis.grpc.interceptors.errors import ErrorInterceptor
from chassis.grpc.interceptors.idempotency import IdempotencyInterceptor
from chassis.grpc.interceptors.logging import AccessLogInterceptor
from chassis.grpc.interceptors.metrics import MetricsInterceptor
from chassis.grpc.interceptors.stream_session import StreamSessionInterceptor
from chassis.grpc.interceptors.stream_session import UncachedRevocationCheck as LookingAgain
from chassis.grpc.interceptors.tracing import TracingInterceptor
from chassis.grpc.interceptors.validation import ValidationInterceptor
from chassis.sharding.idempotency_store import IdempotencyStore

MAX_CONCURRENT_CALLS: Final = 1_000
MAX_CONCURRENT_STREAMS: Final = 1_000


class ChainRevocations(RevocationCheck, LookingAgain, Protocol):
    """The chain's view of ended sessions."""


def build_standard_chain(
    *,
    verifier: PrincipalVerifier,
    revocations: ChainRevocations,
    claims: IdempotencyStore,
    concurrency_limit: AdaptiveConcurrencyLimit | None = None,
    tickets: TicketRedeemer | None = None,
) -> tuple[Interceptor, ...]:
    """Return the interceptors, outermost first; `concurrency_limit` bounds the calls in flight."""
    return (
        TracingInterceptor(),
        MetricsInterceptor(),
        AccessLogInterceptor(),
        ErrorInterceptor(),
        AdmissionInterceptor(
            concurrency_limit or AdaptiveConcurrencyLimit(MAX_CONCURRENT_CALLS), MAX_CONCURRENT_STREAMS
        ),
        DeadlineInterceptor(),
        AuthenticationInterceptor(verifier, revocations, tickets),
        AuthorisationInterceptor(),
        StreamSessionInterceptor(revocations),
        ValidationInterceptor(),
        IdempotencyInterceptor(claims),
    )


def compile_handler(chain: Sequence[Interceptor], rpc: RpcSpec, handler: RpcHandler) -> RpcHandler:
    """Return one handler with the concerns of all interceptors of `chain`, the first one outermost."""
    for interceptor in reversed(chain):
        handler = interceptor.bind(rpc, handler)
    return handler
