"""Deletions of accounts: when they are cancelled, when they run, and when they are over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.errors import DomainError
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    AccountState,
    PendingRegistration,
    open_account,
)
from services.auth.domain.codes import CODE_LIFE, SentCode
from services.auth.domain.deleted_accounts import (
    with_acknowledgement,
    with_deletion,
    with_erasure,
    without_deletion,
)
from services.auth.domain.deletions import (
    DEFAULT_GRACE,
    DELETION_TRANSITIONS,
    ERASING_SERVICES,
    ERASURE_RETRY_PAUSE,
    AccountDeletion,
    DeletionState,
    new_deletion,
)
from services.auth.domain.staff import open_staff_account, restored_account, suspended_account

NOW = datetime(2027, 1, 1, tzinfo=UTC)
END = NOW + DEFAULT_GRACE
SECOND = timedelta(seconds=1)


def student() -> Account:
    registration = PendingRegistration(
        AccountHolder("Ada", AccountKind.STUDENT), "hash", b"digest", 0, NOW + CODE_LIFE
    )
    return open_account("usr_1", "ada@campus.test", registration, NOW).verified_by(registration, NOW)


def leaving() -> Account:
    return with_deletion(student(), NOW, DEFAULT_GRACE)


def erasing() -> Account:
    return with_erasure(leaving(), END)


def deletion_of(account: Account) -> AccountDeletion:
    assert account.deletion is not None
    return account.deletion


def reason_of(account: Account) -> str:
    with pytest.raises(DomainError) as refused:
        without_deletion(account, NOW)
    return refused.value.reason


def test_an_account_that_is_to_be_deleted_can_be_used_until_the_time_of_grace_is_over() -> None:
    account = leaving()
    assert account.state is AccountState.PENDING_DELETION
    assert account.can_sign_in
    assert account.credential == student().credential, "the session that asked for it stays"
    assert deletion_of(account).erase_time == END
    assert with_erasure(account, END - SECOND) is account


def test_asking_again_moves_no_date() -> None:
    account = leaving()
    assert with_deletion(account, NOW + timedelta(days=5), DEFAULT_GRACE) is account


def test_a_cancelled_deletion_leaves_the_account_as_it_was() -> None:
    kept = without_deletion(leaving(), NOW + SECOND)
    before = student()
    assert replace(kept, version=before.version, update_time=before.update_time) == before


def test_what_was_not_asked_for_and_what_runs_is_not_cancelled() -> None:
    assert reason_of(student()) == "NO_ACCOUNT_DELETION"
    assert reason_of(erasing()) == "NO_ACCOUNT_DELETION"


def test_an_erasure_ends_all_sessions_and_the_account_is_closed() -> None:
    account = erasing()
    assert account.state is AccountState.DELETED
    assert account.credential == leaving().credential + 1
    with pytest.raises(DomainError, match="address or the password"):
        account.check_may_sign_in()


def test_an_erasure_that_nobody_acknowledges_is_requested_again_after_a_pause() -> None:
    account = erasing()
    assert with_erasure(account, END + ERASURE_RETRY_PAUSE - SECOND) is account
    repeated = with_erasure(account, END + ERASURE_RETRY_PAUSE)
    assert deletion_of(repeated).due_time == END + 2 * ERASURE_RETRY_PAUSE
    assert repeated.credential == account.credential


@pytest.mark.parametrize("order", list(permutations(sorted(ERASING_SERVICES))), ids="-".join)
def test_it_is_due_at_once_when_the_last_service_has_acknowledged_it(order: tuple[str, ...]) -> None:
    account = erasing()
    for service in order[:-1]:
        account = with_acknowledgement(account, service, END + SECOND)
        assert deletion_of(account).due_time > END + SECOND
    account = with_acknowledgement(account, order[-1], END + SECOND)
    assert deletion_of(account).due_time == END + SECOND
    assert not deletion_of(account).missing


def test_an_acknowledgement_counts_once_and_only_while_the_erasure_runs() -> None:
    once = with_acknowledgement(erasing(), "user", END)
    assert with_acknowledgement(once, "user", END) is once
    for other in (student(), leaving()):
        assert with_acknowledgement(other, "user", END) is other
    with pytest.raises(ValueError, match="erases nobody"):
        with_acknowledgement(once, "internship", END)


def test_staff_accounts_are_not_deleted_by_their_owners() -> None:
    sent = SentCode("maria@example.test", b"digest", 0, 0, NOW + CODE_LIFE)
    holder = AccountHolder("Maria", AccountKind.MODERATOR)
    with pytest.raises(DomainError) as refused:
        with_deletion(open_staff_account("usr_1", holder, "hash", sent, NOW), NOW, DEFAULT_GRACE)
    assert refused.value.reason == "STAFF_ACCOUNT"


def test_a_deletion_is_no_way_around_a_suspension_nor_a_suspension_around_a_deletion() -> None:
    suspended = suspended_account(leaving(), "spam", NOW)
    assert not suspended.can_sign_in
    assert restored_account(suspended, "a mistake", NOW).state is AccountState.PENDING_DELETION
    assert with_erasure(suspended, END).state is AccountState.DELETED
    assert without_deletion(suspended, NOW).state is AccountState.SUSPENDED


def test_a_state_that_may_not_follow_is_an_error_of_the_code() -> None:
    with pytest.raises(ValueError, match="does not become"):
        new_deletion(NOW, DEFAULT_GRACE).in_state(DeletionState.SUCCEEDED)
    with pytest.raises(ValueError, match="is not requested again"):
        new_deletion(NOW, DEFAULT_GRACE).repeated(NOW)


class DeletionsInAnyOrder(RuleBasedStateMachine):
    """An owner, moderators, late and repeated acknowledgements, and jobs that come when they come."""

    def __init__(self) -> None:
        super().__init__()
        self.account, self.now = student(), NOW
        self.acknowledged: set[str] = set()

    @rule(step=st.sampled_from([SECOND, ERASURE_RETRY_PAUSE, timedelta(days=1), DEFAULT_GRACE]))
    def pass_time(self, step: timedelta) -> None:
        self.now += step

    @rule()
    def ask(self) -> None:
        if self.account.can_sign_in:
            self.store(with_deletion(self.account, self.now, DEFAULT_GRACE))

    @rule()
    def cancel(self) -> None:
        try:
            self.store(without_deletion(self.account, self.now))
        except DomainError as error:
            assert error.reason == "NO_ACCOUNT_DELETION"

    @rule()
    def settle(self) -> None:
        before = self.account.deletion
        self.store(with_erasure(self.account, self.now))
        if before is not None and before.is_pending and self.account.state is AccountState.DELETED:
            assert before.erase_time <= self.now

    @rule(service=st.sampled_from(sorted(ERASING_SERVICES)))
    def acknowledge(self, service: str) -> None:
        if self.account.state is AccountState.DELETED:
            self.acknowledged.add(service)
        self.store(with_acknowledgement(self.account, service, self.now))

    @rule(restores=st.booleans())
    def moderate(self, restores: bool) -> None:
        if self.account.state is not AccountState.DELETED:
            change = restored_account if restores else suspended_account
            self.store(change(self.account, "reason", self.now))

    def store(self, after: Account) -> None:
        """Hold each change to the table of transitions, and to one version for each change."""
        before = self.account
        if after is before:
            return
        assert after.version == before.version + 1
        if before.deletion and after.deletion and before.deletion.state is not after.deletion.state:
            assert after.deletion.state in DELETION_TRANSITIONS[before.deletion.state]
        if before.deletion and not after.deletion:
            assert before.deletion.state is DeletionState.PENDING
        assert before.state is not AccountState.DELETED or after.state is AccountState.DELETED
        self.account = after

    @invariant()
    def an_account_is_closed_exactly_while_its_erasure_runs(self) -> None:
        deletion = self.account.deletion
        is_running = deletion is not None and deletion.state is DeletionState.RUNNING
        assert (self.account.state is AccountState.DELETED) == is_running

    @invariant()
    def what_may_be_cancelled_is_never_acknowledged(self) -> None:
        deletion = self.account.deletion
        if deletion is not None and deletion.is_pending:
            assert deletion.acknowledged == ()

    @invariant()
    def it_is_over_only_when_every_service_has_acknowledged_it(self) -> None:
        deletion = self.account.deletion
        if deletion is not None and not deletion.missing:
            assert self.acknowledged == ERASING_SERVICES


TestDeletionsInAnyOrder = DeletionsInAnyOrder.TestCase
