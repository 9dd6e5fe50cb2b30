"""Who calls, how long they wait, and which operation this is: what a call knows about itself.

One `Call` per RPC travels in one context variable; the interceptors fill it in, everybody else reads it
through the functions below.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from chassis.errors import DomainError

CLIENT_NETWORKS_METADATA_KEY: Final = "x-ic-client"
"""The metadata in which the gateway says which client calls: its area and the networks around it."""
SENT_TIMEOUT_METADATA_KEY: Final = "x-ic-timeout-ms"
"""The metadata with the time that a call was sent with, in milliseconds: gRPC tells only the time left."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified.

    `kind` is an account kind (`STUDENT`, `COMPANY`, ...) or `SERVICE`; `role` is set for members of an
    organisation `org`. `auth_time` is when they signed in and `expires_at` when their token ends,
    in seconds since 1970; 0 when it does not.
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


@dataclass(frozen=True, slots=True)
class IdempotentOperation:
    """What an idempotency key stands for: the same ID and time on every run of the same request.

    `replay` is true when an earlier run began and did not finish, so that its effects may be there already.
    """

    id: str
    started_at: datetime
    is_replay: bool = False


@dataclass(slots=True)
class CallContext:
    """What one RPC knows about itself.

    `metadata` is what the client sent along, by lower-case key; `deadline` a reading of `time.monotonic()`;
    `outcome` the name of the status that it is answered with; `is_stale` says that the answer rests on what
    was known earlier, `max_age_s` for how long it holds before the clock changes it; `headers` go before the
    answer, or the error. A stream that has begun may set `closing_message`: it makes of the error's
    google.rpc.Status the bytes that the stream writes before it ends with the error.
    """

    request_id: str = ""
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
        """Return what the client sent under `key`; "" when nothing, or nothing readable."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


_NO_CALL = CallContext()
_call: ContextVar[CallContext] = ContextVar("call", default=_NO_CALL)


def bind_call(call: CallContext) -> None:
    """Make `call` the current one for the rest of this task."""
    _call.set(call)


def current_call() -> CallContext:
    """Return the call that is being answered; an empty one outside of any."""
    return _call.get()


def is_in_call() -> bool:
    """Whether an RPC is being answered, and not some work that nobody waits for."""
    return _call.get() is not _NO_CALL


def mark_answer_stale() -> None:
    """Says that the answer to this call rests on what was known earlier, for want of anything newer."""
    call = _call.get()
    if call is not _NO_CALL:
        call.is_stale = True


def add_answer_headers(*headers: tuple[str, str]) -> None:
    """Send headers before the answer to this call, whether it succeeds or not."""
    call = _call.get()
    if call is not _NO_CALL:
        call.headers.extend((name.lower(), value) for name, value in headers)


def client_networks() -> tuple[str, ...]:
    """Which client calls, by the gateway's word: its IPv4 address or IPv6 /64, and the /56 and /48 around it.

    Empty when the call did not come through the gateway.
    """
    return tuple(_call.get().metadata_text(CLIENT_NETWORKS_METADATA_KEY).split())


def client_fingerprint() -> bytes:
    """By which the same program at the same place is known again."""
    told = "\n".join((_call.get().metadata_text("user-agent"), *client_networks()[:1]))
    return hashlib.blake2b(told.encode(), digest_size=16).digest()


def limit_freshness(seconds: float) -> None:
    """Says that the clock changes the answer to this call after so long: no shared cache keeps it longer."""
    call = _call.get()
    if call is not _NO_CALL:
        call.max_age_s = seconds if call.max_age_s is None else min(call.max_age_s, seconds)


def current_principal_or_none() -> Principal | None:
    """Who calls; None when they are not signed in."""
    return _call.get().principal


def current_principal() -> Principal:
    """Who calls. Raises DomainError TOKEN_MISSING when they are not signed in."""
    principal = _call.get().principal
    if principal is None:
        raise DomainError("TOKEN_MISSING", "This call needs an access token.")
    return principal


def request_id() -> str:
    """Return the ID under which this call is logged; empty outside of a call."""
    return _call.get().request_id


def remaining_s() -> float | None:
    """Seconds left until the call's deadline, at least 0; None when it has none."""
    deadline = _call.get().deadline
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def current_operation() -> IdempotentOperation | None:
    """Return the operation that the caller's idempotency key stands for; None without a key."""
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
