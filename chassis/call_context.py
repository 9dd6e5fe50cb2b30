"""The context of a call: its caller, deadline and idempotent operation.

One `CallContext` per RPC is the value of one context variable; the interceptors fill it, all other code reads
it through the functions below.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chassis.errors import DomainError
from chassis.idempotency import IdempotentOperation

CLIENT_NETWORKS_METADATA_KEY: Final = "x-ic-client"
"""The metadata in which the gateway names the client: its address and the networks around it."""
SENT_TIMEOUT_METADATA_KEY: Final = "x-ic-timeout-ms"
"""The metadata with the time-out of a call as it was sent, in milliseconds: gRPC gives the time left only."""

SECOND_FACTOR_METHOD: Final = "mfa"
"""The method of a sign-in with two factors, in the terms of RFC 8176."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified.

    `kind` is an account kind (`STUDENT`, `COMPANY`, ...) or `SERVICE`; `role` is set for members of an
    organisation `org`. `scopes` is what an API key may do, by the contracts' names without prefix; None for
    people and services, whom no scope bounds. `auth_time` is the time of sign-in and `expires_at` the end of
    the token, in seconds since 1970; 0 when there is none.
    """

    id: str
    kind: str
    role: str = ""
    org: str = ""
    plan: str = ""
    session_id: str = ""
    email_verified: bool = False
    auth_time: int = 0
    amr: tuple[str, ...] = ()
    expires_at: float = 0.0
    scopes: tuple[str, ...] | None = None


@dataclass(slots=True)
class CallContext:
    """The context of one RPC.

    `metadata` is the client's, by lower-case key; `began_at`, its arrival, and `deadline` are times of
    `time.monotonic()`; `outcome` the name
    of the status that it is answered with; `is_stale` says that the answer rests on older data, `max_age_s`
    how long it holds before the clock changes it; `headers` are sent before the answer, or the error. A
    stream that has begun may set `closing_message`: it makes of the error's google.rpc.Status the bytes that
    the stream writes before it ends with the error.
    """

    request_id: str = ""
    began_at: float = field(default_factory=time.monotonic)
    deadline: float | None = None
    principal: Principal | None = None
    operation: IdempotentOperation | None = None
    metadata: Mapping[str, str | bytes] = field(default_factory=dict, repr=False)
    outcome: str = "OK"
    is_stale: bool = False
    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)
    closing_message: Callable[[Any], bytes] | None = field(default=None, repr=False)
    max_age_s: float | None = None

    def metadata_text(self, key: str) -> str:
        """Return the client's metadata value under `key`; "" when it is absent or not text."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


_NO_CALL = CallContext()
_call: ContextVar[CallContext] = ContextVar("call", default=_NO_CALL)


def bind_call(call: CallContext) -> None:
    """Make `call` the current one for the rest of this task."""
    _call.set(call)


def current_call() -> CallContext:
    """Return the context of the RPC that is being answered; an empty one outside of any."""
    return _call.get()


def is_in_call() -> bool:
    """Return whether an RPC is being answered, and not background work without a caller."""
    return _call.get() is not _NO_CALL


def mark_answer_stale() -> None:
    """Mark the answer to this call as resting on older data, as no newer data could be read."""
    call = _call.get()
    if call is not _NO_CALL:
        call.is_stale = True


def add_answer_headers(*headers: tuple[str, str]) -> None:
    """Send headers before the answer to this call, whether it succeeds or not."""
    call = _call.get()
    if call is not _NO_CALL:
        call.headers.extend((name.lower(), value) for name, value in headers)


def client_networks() -> tuple[str, ...]:
    """Return the client's networks: IPv4 address or IPv6 /64, and the IPv6 /56 and /48 around it.

    Empty when the call did not come through the gateway.
    """
    return tuple(_call.get().metadata_text(CLIENT_NETWORKS_METADATA_KEY).split())


def client_fingerprint() -> bytes:
    """Return a hash by which the same program at the same address is recognised."""
    told = "\n".join((_call.get().metadata_text("user-agent"), *client_networks()[:1]))
    return hashlib.blake2b(told.encode(), digest_size=16).digest()


def limit_freshness(seconds: float) -> None:
    """Note that the clock changes this call's answer after this time: shared caches keep it no longer."""
    call = _call.get()
    if call is not _NO_CALL:
        call.max_age_s = seconds if call.max_age_s is None else min(call.max_age_s, seconds)


def current_principal_or_none() -> Principal | None:
    """Return the caller; None when the call is anonymous."""
    return _call.get().principal


def current_principal() -> Principal:
    """Return the caller. Raises DomainError TOKEN_MISSING when the call is anonymous."""
    principal = _call.get().principal
    if principal is None:
        raise DomainError("TOKEN_MISSING", "This call needs an access token.")
    return principal


def request_id() -> str:
    """Return the ID under which this call is logged; empty outside of a call."""
    return _call.get().request_id


def remaining_s() -> float | None:
    """Return the seconds left until the call's deadline, at least 0; None when it has none."""
    deadline = _call.get().deadline
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def current_operation() -> IdempotentOperation | None:
    """Return the operation of the caller's idempotency key; None without a key."""
    return _call.get().operation


def current_operation_seed() -> bytes | None:
    """Return a seed for `new_id`, the same in each run under one idempotency key; None without a key."""
    current = _call.get().operation
    return None if current is None else current.id.encode()


@contextmanager
def acting_as(principal: Principal | None, *, operation: IdempotentOperation | None = None) -> Iterator[None]:
    """Run a block as if `principal` had called: for seeds, workers and tests."""
    token = _call.set(replace(_call.get(), principal=principal, operation=operation))
    try:
        yield
    finally:
        _call.reset(token)
