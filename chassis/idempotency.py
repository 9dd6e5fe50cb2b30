"""Idempotency keys, and the operations that they stand for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.ids import slot_of, slot_of_key


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A request to be executed once: `digest` is the hash of the request, `owner` the caller's ID."""

    owner: str
    rpc: str
    key: str
    digest: bytes

    @property
    def id(self) -> str:
        """The unique key: one idempotency key of one caller for one RPC."""
        return f"{self.owner}:{self.rpc}:{self.key}"

    @property
    def slot(self) -> int:
        """The caller's slot, in which the claim lives."""
        try:
            return slot_of(self.owner)
        except ValueError:
            return slot_of_key(self.owner)


@dataclass(frozen=True, slots=True)
class IdempotentOperation:
    """The operation of an idempotency key: each run of the same request has its ID and time.

    `is_replay` is true when an earlier run began and did not finish, so that its effects may exist already.
    With `claim`, nothing was claimed before: the change stores claim and answer in its own transaction, and a
    run that was cut off has changed nothing.
    """

    id: str
    started_at: datetime
    is_replay: bool = False
    claim: IdempotencyClaim | None = None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to a call, to be stored in the transaction of its change, under the key of the claim."""

    operation: IdempotentOperation
    claim: IdempotencyClaim
    answer: bytes


def answer_to_store(
    operation: IdempotentOperation | None, encode: Callable[[], bytes]
) -> StoredAnswer | None:
    """Return the answer to store with the change of an operation; None where there is none to store."""
    if operation is None or operation.claim is None:
        return None
    return StoredAnswer(operation, operation.claim, encode())
