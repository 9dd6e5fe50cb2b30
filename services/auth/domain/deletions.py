"""The deletion of an account: asked for, cancelled within its time of grace, and then carried out for good.

PENDING: the account is PENDING_DELETION, and can be used. RUNNING: it is DELETED, nobody can sign in, and
every service that holds data of people erases them. SUCCEEDED: all of them have acknowledged that, and the
account is removed; its tombstone is left. A cancelled deletion leaves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import domain_error, not_found

ERASING_SERVICES: Final = frozenset({"user", "application", "notification"})
"""The services that hold data of people, beside auth itself."""
DEFAULT_GRACE: Final = timedelta(days=14)
ERASURE_RETRY_PAUSE: Final = timedelta(minutes=10)
"""An erasure that some service has not acknowledged after this time is requested again."""


class DeletionState(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CANCELLED = "CANCELLED"


DELETION_TRANSITIONS: Final[Mapping[DeletionState, frozenset[DeletionState]]] = {
    DeletionState.PENDING: frozenset({DeletionState.RUNNING, DeletionState.CANCELLED}),
    DeletionState.RUNNING: frozenset({DeletionState.SUCCEEDED}),
    DeletionState.SUCCEEDED: frozenset(),
    DeletionState.CANCELLED: frozenset(),
}
"""The states that may follow each state. Nothing leads back: an erasure that runs is never cancelled."""


@dataclass(frozen=True, slots=True)
class AccountDeletion:
    """The deletion of an account.

    `due_time` is when something has to be done next: the erasure begun, or requested again. `acknowledged`
    are the services that have erased the person.
    """

    request_time: datetime
    erase_time: datetime
    due_time: datetime
    state: DeletionState = DeletionState.PENDING
    acknowledged: tuple[str, ...] = ()

    @property
    def is_pending(self) -> bool:
        """Whether it can still be cancelled."""
        return self.state is DeletionState.PENDING

    @property
    def missing(self) -> frozenset[str]:
        """The services that have not acknowledged the erasure."""
        return ERASING_SERVICES - frozenset(self.acknowledged)

    def in_state(self, state: DeletionState) -> "AccountDeletion":
        """Return the deletion in a state that may follow. Raises ValueError for any other."""
        if state not in DELETION_TRANSITIONS[self.state]:
            raise ValueError(f"a deletion that is {self.state} does not become {state}")
        return replace(self, state=state)

    def begun(self, now: datetime) -> "AccountDeletion":
        """Return the deletion whose erasure begins."""
        return replace(self.in_state(DeletionState.RUNNING), due_time=now + ERASURE_RETRY_PAUSE)

    def repeated(self, now: datetime) -> "AccountDeletion":
        """Return the running deletion whose erasure is requested once more."""
        if self.state is not DeletionState.RUNNING:
            raise ValueError(f"a deletion that is {self.state} is not requested again")
        return replace(self, due_time=now + ERASURE_RETRY_PAUSE)

    def acknowledged_by(self, service: str, now: datetime) -> "AccountDeletion":
        """Return the running deletion that a service has acknowledged; due now when it was the last one.

        The same object for a repeat, and for a deletion that does not run. Raises ValueError for a service
        that does not take part.
        """
        if service not in ERASING_SERVICES:
            raise ValueError(f"{service} erases nobody")
        if self.state is not DeletionState.RUNNING or service in self.acknowledged:
            return self
        changed = replace(self, acknowledged=tuple(sorted((*self.acknowledged, service))))
        return changed if changed.missing else replace(changed, due_time=now)


def new_deletion(now: datetime, grace: timedelta) -> AccountDeletion:
    """Return a deletion that was asked for now."""
    return AccountDeletion(now, now + grace, now + grace)


def no_deletion(user_id: str) -> Exception:
    """Return the error for an account whose deletion was not asked for."""
    return not_found("NO_ACCOUNT_DELETION", "account deletion", user_id)


def last_owner() -> Exception:
    """Return the error for an owner who has colleagues, and none of them an owner."""
    return domain_error(
        "LAST_OWNER", "Your company has other members and no other owner: hand the ownership over first."
    )
