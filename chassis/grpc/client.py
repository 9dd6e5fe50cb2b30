"""Calls to other services, each with deadline, identity and trace, and with retries where these are safe."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn, Protocol, cast

import grpc
import orjson
from prometheus_client import Counter

from chassis.call_context import SENT_TIMEOUT_METADATA_KEY, remaining_s, request_id
from chassis.concurrency.bulkhead import Bulkhead
from chassis.concurrency.circuit_breaker import CircuitBreaker
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.contracts import ContractError, RpcSpec, find_rpc
from chassis.errors import DomainError, unavailable
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, status_to_error
from chassis.grpc.hedging import HedgedCall
from chassis.grpc.mesh import MeshMembership
from chassis.observability import metrics
from chassis.observability.tracing import client_span, current_traceparent
from chassis.security.mutual_tls import NAME_OVERRIDE_OPTION, MutualTls

_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)
_OPTIONS_WITHOUT_MESH: Final = (
    *_OPTIONS,
    ("grpc.enable_retries", 0),
    ("grpc.service_config", orjson.dumps({"loadBalancingConfig": [{"round_robin": {}}]}).decode()),
)
# gRPC cancels calls that do not fit into a server's queue.
_UNANSWERED_CODES: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
)
_AUTHENTICATION_REASONS: Final = frozenset(
    {"TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED", "PERMISSION_DENIED"}
)


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """How calls to one peer are bounded and repeated.

    - `max_attempts` is for calls that are not answered. In a mesh gRPC repeats those itself.
    - `max_attempts_when_overloaded` holds in a mesh as well: a peer that has just started, or has a burst,
      refuses what waited; the next call may be in time, or go to another process.
    - Retries are one in `calls_per_retry` in the long run, and at most `max_saved_retries` at once.
    - A peer that hangs must not hold all that a process may have in flight: `max_concurrent_calls`.
    """

    max_attempts: int = 3
    max_attempts_when_overloaded: int = 2
    retry: RetryPolicy = field(default=RetryPolicy(initial_s=0.05, max_s=0.2, jitter=1.0))
    calls_per_retry: int = 10
    max_saved_retries: int = 10
    max_concurrent_calls: int = 256


DEFAULT_CLIENT_POLICY: Final = ClientPolicy()


class ServiceTokenSource(Protocol):
    """A source of the process's own identity."""

    def token(self) -> str:
        """Return an access token that is valid for at least a minute."""
        ...


class PeerAuthenticationError(Exception):
    """A peer did not accept our identity: a configuration error, which our own caller is not shown."""


class Peers:
    """Channels to the other services, one each, opened at first use.

    `addresses` holds `host:port`, or any gRPC target, by service name. With a `mesh`, gRPC gets addresses and
    retry policies from the control plane instead. With `tls` calls go over mutual TLS; without a mesh, by the
    certificate that was there when a service was first called.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        identity: ServiceTokenSource,
        mesh: MeshMembership | None = None,
        policy: ClientPolicy = DEFAULT_CLIENT_POLICY,
        *,
        tls: MutualTls | None = None,
    ) -> None:
        self.mesh = mesh
        self._tls = tls
        self._policy = policy if mesh is None else replace(policy, max_attempts=1)
        self._addresses = addresses
        self._identity = identity
        self._channels: dict[str, PeerChannel] = {}

    def channel(self, service: str) -> grpc.aio.Channel:
        """Return the channel for the stubs of a service: `ThingServiceStub(peers.channel("thing"))`.

        Unary calls through it raise DomainError: the peer's own, or UNAVAILABLE when it did not answer in
        time. Raises KeyError for a service without an address.
        """
        if service not in self._channels:
            self._channels[service] = PeerChannel(service, self._open(service), self._identity, self._policy)
        return cast(grpc.aio.Channel, self._channels[service])

    def _open(self, service: str) -> grpc.aio.Channel:
        if self.mesh is None:
            return self._open_without_mesh(service)
        target = self.mesh.target_of(service)
        channel = (
            grpc.aio.insecure_channel(target, options=_OPTIONS)
            if self._tls is None
            # The control plane says which files and names count; these are for what it says nothing of.
            else grpc.aio.secure_channel(
                target, grpc.xds_channel_credentials(self._tls.channel_credentials()), options=_OPTIONS
            )
        )
        # Connect now: the control plane may be unreachable when the channel is first used.
        channel.get_state(try_to_connect=True)
        return channel

    def _open_without_mesh(self, service: str) -> grpc.aio.Channel:
        address = self._addresses[service]
        if self._tls is None:
            return grpc.aio.insecure_channel(address, options=_OPTIONS_WITHOUT_MESH)
        options = (*_OPTIONS_WITHOUT_MESH, (NAME_OVERRIDE_OPTION, service))
        return grpc.aio.secure_channel(address, self._tls.channel_credentials(), options=options)

    async def close(self) -> None:
        """Close all channels; calls in flight end."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        self._channels.clear()


class PeerRetryBudget:
    """A budget that limits retries to a tenth of all calls, so that they cannot worsen an outage."""

    def __init__(self, policy: ClientPolicy = DEFAULT_CLIENT_POLICY) -> None:
        self._calls_per_retry = policy.calls_per_retry
        self._max_tokens = policy.max_saved_retries * policy.calls_per_retry
        self._tokens = self._max_tokens

    def deposit(self) -> None:
        """Add a tenth of a retry for a call that succeeded."""
        self._tokens = min(self._max_tokens, self._tokens + 1)

    def try_withdraw(self) -> bool:
        """Take one retry from the budget; return False when there is none left."""
        if self._tokens < self._calls_per_retry:
            return False
        self._tokens -= self._calls_per_retry
        return True


class PeerChannel:
    """The part of a channel that generated stubs use, with retries, hedging, circuit breaker and bulkhead."""

    def __init__(
        self,
        service: str,
        inner: grpc.aio.Channel,
        identity: ServiceTokenSource,
        policy: ClientPolicy = DEFAULT_CLIENT_POLICY,
    ) -> None:
        self.service = service
        self.policy = policy
        self.identity = identity
        self.budget = PeerRetryBudget(policy)
        self.breaker = CircuitBreaker(f"The {service} service", label=f"service/{service}")
        self.bulkhead = Bulkhead(
            f"The {service} service", policy.max_concurrent_calls, label=f"service/{service}"
        )
        self._inner = inner
        self._was_unreachable = False

    def admit(self) -> None:
        """Raise DomainError UNAVAILABLE while the circuit breaker is open.

        A peer that could not be reached gets a trial call as soon as there is a connection; one that was
        reached and did not answer gets one only after the breaker's pause.
        """
        if self.breaker.is_open and self._was_unreachable and self._is_connected():
            self.breaker.allow_trial()
        self.breaker.admit()

    def record_failure(self, code: grpc.StatusCode) -> None:
        """Count a call that the peer did not answer, with the gRPC status `code`."""
        self._was_unreachable = code is grpc.StatusCode.UNAVAILABLE
        self.breaker.record_failure()

    def _is_connected(self) -> bool:
        return self._inner.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        _registered_method: bool = False,
    ) -> "_UnaryCall":
        """Return a callable for one RPC. Raises ContractError for one that no contract declares."""
        rpc = find_rpc(method)
        if rpc is None:
            raise ContractError(f"no contract declares {method}")
        raw = self._inner.unary_unary(method, request_serializer, response_deserializer)
        return _UnaryCall(rpc, raw, self)

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Callable[..., NoReturn]:
        """Return a function that raises ContractError: services do not stream to each other."""

        def refuse(*_: Any, **__: Any) -> NoReturn:
            raise ContractError(f"{method} streams; services do not call such RPCs of each other")

        return refuse

    async def close(self) -> None:
        """Close the channel; calls in flight end."""
        await self._inner.close()


class _UnaryCall:
    def __init__(self, rpc: RpcSpec, raw: Callable[..., Any], channel: PeerChannel) -> None:
        self._rpc = rpc
        self._raw = raw
        self._channel = channel
        policy = channel.policy
        self._max_attempts = (
            {"UNAVAILABLE": policy.max_attempts, "OVERLOADED": policy.max_attempts_when_overloaded}
            if rpc.is_repeatable
            else {}
        )
        """Attempts by the reason of the error."""
        self._handled: dict[str, Counter] = {}
        """The counter's children by status, each looked up once."""
        self._hedge = (
            HedgedCall(channel.budget.try_withdraw, self._count_hedge) if rpc.has_no_side_effects else None
        )

    async def __call__(self, request: Any, *, timeout: float | None = None) -> Any:
        """Call within `timeout` seconds, the contract's deadline and our caller's, whichever ends first."""
        deadline = time.monotonic() + self._budget_s(timeout)
        with client_span(self._rpc.path[1:]):
            return await retry_call_async(
                lambda: self._call_with_hedge(request, deadline),
                self._channel.policy.retry,
                on=DomainError,
                may_retry=self._may_retry,
                deadline=deadline,
            )

    def _budget_s(self, timeout: float | None) -> float:
        bounds = (timeout, remaining_s(), self._rpc.policy.deadline_ms / 1000)
        return min(bound for bound in bounds if bound is not None)

    async def _call_with_hedge(self, request: Any, deadline: float) -> Any:
        if self._hedge is None:
            return await self._attempt(request, deadline)
        return await self._hedge.run(lambda: self._attempt(request, deadline), deadline)

    async def _attempt(self, request: Any, deadline: float) -> Any:
        timeout_s = deadline - time.monotonic()
        if timeout_s <= 0:
            raise DomainError(
                "DEADLINE_EXCEEDED", f"No time is left for the {self._channel.service} service."
            )
        with self._channel.bulkhead.acquire():
            return await self._admitted(request, timeout_s)

    async def _admitted(self, request: Any, timeout_s: float) -> Any:
        self._channel.admit()
        try:
            answer = await self._raw(request, timeout=timeout_s, metadata=self._metadata(timeout_s))
        except grpc.aio.AioRpcError as error:
            raise self._to_domain_error(error, timeout_s) from error
        except BaseException:
            self._channel.breaker.record_cancellation()
            raise
        self._channel.breaker.record_success()
        self._channel.budget.deposit()
        self._count("OK")
        return answer

    def _metadata(self, timeout_s: float) -> tuple[tuple[str, str], ...]:
        carried = (
            (SENT_TIMEOUT_METADATA_KEY, str(int(timeout_s * 1000))),
            ("authorization", f"Bearer {self._channel.identity.token()}"),
            ("traceparent", current_traceparent()),
            ("x-request-id", request_id()),
        )
        return tuple(pair for pair in carried if pair[1])

    def _to_domain_error(self, error: grpc.aio.AioRpcError, timeout_s: float) -> Exception:
        self._count(error.code().name)
        answered = _domain_error_in(error)
        if answered is None and error.code() in _UNANSWERED_CODES:
            self._record_failure(error.code(), timeout_s)
            return unavailable(f"The {self._channel.service} service")
        self._channel.breaker.record_success()
        if answered is None:
            return error
        if answered.reason in _AUTHENTICATION_REASONS:
            return PeerAuthenticationError(f"{self._rpc.full_name}: {answered}")
        return answered

    def _record_failure(self, code: grpc.StatusCode, timeout_s: float) -> None:
        """Count a time-out as a failure only if the peer had half of the contract's deadline or more."""
        if code is grpc.StatusCode.UNAVAILABLE or timeout_s >= self._rpc.policy.deadline_ms / 2000:
            self._channel.record_failure(code)
        else:
            self._channel.breaker.record_cancellation()

    def _may_retry(self, error: DomainError, failures: int) -> bool:
        if failures >= self._max_attempts.get(error.reason, 1) or _is_local_overload(error):
            return False
        return self._channel.budget.try_withdraw()

    def _count_hedge(self, won: bool) -> None:
        outcome = "won" if won else "lost"
        metrics.grpc_client_hedges.labels(self._rpc.service, self._rpc.name, outcome).inc()

    def _count(self, code: str) -> None:
        if code not in self._handled:
            labels = (self._rpc.service, self._rpc.name, code)
            self._handled[code] = metrics.grpc_client_handled.labels(*labels)
        self._handled[code].inc()


def _is_local_overload(error: DomainError) -> bool:
    """Return whether our own bulkhead, not the peer, refused the call: a retry would meet the same bound."""
    return error.reason == "OVERLOADED" and not isinstance(error.__cause__, grpc.aio.AioRpcError)


def _domain_error_in(error: grpc.aio.AioRpcError) -> DomainError | None:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_METADATA_KEY:
            return status_to_error(cast(bytes, value))
    return None
