"""The guard of a shard, which every operation on it passes.

An operation on a shard that is known to be down fails at once instead of waiting for a primary; every
operation has a deadline; and errors that a caller cannot influence become a readable DomainError.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError, WaitQueueTimeoutError
from pymongo.read_preferences import _ServerMode
from pymongo.topology_description import TopologyDescription

from chassis.call_context import is_in_call, mark_answer_stale, remaining_s
from chassis.concurrency.circuit_breaker import BreakerState
from chassis.errors import DomainError, overloaded, unavailable
from chassis.mongo.client import ELECTION_TIMEOUT_S
from chassis.mongo.documents import Document
from chassis.observability import metrics

ReadPreference = _ServerMode
P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_OPERATION_TIMEOUT_S: Final = 10.0
"""The time-out of operations outside any call."""
PRIMARY_GRACE_S: Final = 0.5
"""How long a primary may be missing before operations are refused."""
POLL_INTERVAL_S: Final = 0.02
READ_RETRY_PAUSES_S: Final = (0.05, 0.2)
"""Between the tries of a read that a member has failed."""
UNKNOWN_COMMIT_RESULT: Final = "UnknownTransactionCommitResult"
_RETRYABLE_WRITE: Final = "RetryableWriteError"
_TRANSIENT_CODES: Final = frozenset({91, 134, 211, 11600, 11602, 14031})
"""ShutdownInProgress, ReadConcernMajorityNotAvailableYet, KeyNotFound (from a member that has just started),
InterruptedAtShutdown, InterruptedDueToReplStateChange, OutOfDiskSpace."""


class OperationGuard:
    """Guards the operations on one shard, called `resource_name` in errors and `label` in metrics."""

    def __init__(self, client: AsyncMongoClient[Document], resource_name: str, *, label: str) -> None:
        self.resource_name = resource_name
        self._client = client
        self._seen: TopologyDescription | None = None
        self._down_since: float | None = None
        self._state = metrics.breaker_state.labels(label)

    async def run(self, operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one operation within the caller's deadline.

        Raises:
            DomainError: UNAVAILABLE when the shard does not answer, OVERLOADED when all its connections
                are taken, DEADLINE_EXCEEDED when the caller's time is over; the driver's error is the cause.
            PyMongoError: the shard answered with an error, e.g. DuplicateKeyError.
        """
        if self.lacks_primary():
            await self._wait_for_primary()
        return await self._run_bounded(operation, *args, **kwargs)

    async def run_read(self, operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for an operation that changes nothing and may be repeated.

        Without a primary a secondary answers it. A member that comes, goes or changes its role fails it for
        a moment only, so it is repeated at most twice.
        """
        for pause_s in READ_RETRY_PAUSES_S:
            try:
                return await self.run_read_once(operation, *args, **kwargs)
            except DomainError as error:
                if not _is_fault_of_member(error) or self.remaining_budget_s() <= pause_s:
                    raise
            await asyncio.sleep(pause_s)
        return await self.run_read_once(operation, *args, **kwargs)

    async def run_read_once(
        self, operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `run_read`, for what cannot be repeated: the next batch of a cursor."""
        has_lost_primary = self.lacks_primary()
        if has_lost_primary and not self._has_secondary():
            await self._wait_for_primary()
        answer = await self._run_bounded(operation, *args, **kwargs)
        if not has_lost_primary and self.lacks_primary() and is_in_call():
            mark_answer_stale()
        return answer

    def choose_read_preference(self, wanted: ReadPreference) -> ReadPreference:
        """Return from which members to read: from the primary, in calls from a secondary while there is none.

        A call that is then answered by a secondary is marked as stale: the last writes may be missing there.
        Work that no caller waits for keeps to the primary, as others rely on it.
        """
        if wanted != pymongo.ReadPreference.PRIMARY or not is_in_call() or not self._has_secondary():
            return wanted
        if self.lacks_primary():
            mark_answer_stale()
        # A primary that dies under the operation is replaced by a secondary when the driver repeats it.
        return pymongo.ReadPreference.PRIMARY_PREFERRED

    async def _run_bounded(
        self, operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        started = time.monotonic()
        with pymongo.timeout(self.remaining_budget_s()):
            try:
                return await operation(*args, **kwargs)
            except PyMongoError as error:
                self._extend_outage_to(started)
                readable = self._to_domain_error(error)
                if readable is None:
                    raise
                raise readable from error

    def lacks_primary(self) -> bool:
        """Return whether the shard is known to have no primary; False before the first contact.

        It reads the driver's own view, because the driver's listeners are called up to a second late.
        """
        description = self._client.topology_description
        if description is not self._seen:
            self._seen = description
            self._down_since = _primary_missing_since(description, self._down_since)
            self._state.set(BreakerState.CLOSED if self._down_since is None else BreakerState.OPEN)
        return self._down_since is not None

    def remaining_budget_s(self) -> float:
        """Return the seconds that an operation may take.

        Raises DomainError DEADLINE_EXCEEDED when none are left.
        """
        remaining = remaining_s()
        if remaining is None:
            return DEFAULT_OPERATION_TIMEOUT_S
        if remaining <= 0:
            raise self._deadline_exceeded()
        return remaining

    async def _wait_for_primary(self) -> None:
        while self.lacks_primary():
            max_wait_s = ELECTION_TIMEOUT_S if self._has_secondary() else PRIMARY_GRACE_S
            if self._down_since is None or time.monotonic() - self._down_since >= max_wait_s:
                raise unavailable(self.resource_name)
            self.remaining_budget_s()
            await asyncio.sleep(POLL_INTERVAL_S)

    def _has_secondary(self) -> bool:
        return self._client.topology_description.has_readable_server(pymongo.ReadPreference.SECONDARY)

    def _extend_outage_to(self, started: float) -> None:
        """Date the outage back to `started`, so that later operations do not wait for the shard again."""
        if self.lacks_primary() and self._down_since is not None:
            self._down_since = min(self._down_since, started)

    def _to_domain_error(self, error: PyMongoError) -> DomainError | None:
        if isinstance(error, WaitQueueTimeoutError):
            return overloaded(self.resource_name)
        answered = isinstance(error, OperationFailure) and not error.timeout
        if answered and not _is_transient(error):
            return None
        if not (answered or error.timeout or isinstance(error, ConnectionFailure)):
            return None
        return self._deadline_exceeded() if remaining_s() == 0 else unavailable(self.resource_name)

    def _deadline_exceeded(self) -> DomainError:
        return DomainError("DEADLINE_EXCEEDED", f"{self.resource_name} had no time left to answer.")


def _is_fault_of_member(error: DomainError) -> bool:
    """Whether another try, perhaps at another member, may succeed at once."""
    cause = error.__cause__
    return (
        isinstance(cause, PyMongoError) and not cause.timeout and not isinstance(cause, WaitQueueTimeoutError)
    )


def _is_transient(error: PyMongoError) -> bool:
    """Return whether the server says itself that a later attempt may succeed."""
    if error.has_error_label(UNKNOWN_COMMIT_RESULT) or error.has_error_label(_RETRYABLE_WRITE):
        return True
    return isinstance(error, OperationFailure) and not _TRANSIENT_CODES.isdisjoint(_error_codes_of(error))


def _error_codes_of(error: OperationFailure) -> set[int | None]:
    details = error.details or {}
    unconfirmed = details.get("writeConcernErrors", ())
    return {error.code, *(each.get("code") for each in unconfirmed)}


def _primary_missing_since(description: TopologyDescription, since: float | None) -> float | None:
    if description.has_writable_server():
        return None
    servers = description.server_descriptions().values()
    contacted = any(server.error is not None or server.is_server_type_known for server in servers)
    return (since or time.monotonic()) if contacted else None
