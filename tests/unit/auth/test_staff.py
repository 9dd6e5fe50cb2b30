"""Staff accounts, and suspensions: any sequence of what may happen to an account."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from chassis.grpc.interceptors import authorisation
from services.auth.domain.accounts import (
    STAFF_KINDS,
    Account,
    AccountHolder,
    AccountKind,
    AccountPlan,
    AccountState,
    CompanyMembership,
    CompanyRole,
    PendingRegistration,
    open_account,
)
from services.auth.domain.codes import CODE_LIFE, UNKNOWN_CLIENT, CodeGuesses, SentCode
from services.auth.domain.second_factors import Authenticator
from services.auth.domain.sessions import EndReason, end_reason
from services.auth.domain.staff import (
    as_staff_account,
    open_staff_account,
    restored_account,
    suspended_account,
    without_staff_rights,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
MARIA = AccountHolder("Maria", AccountKind.MODERATOR)
PROOFS = [(b"digest", UNKNOWN_CLIENT)]
SENT = SentCode("maria@example.test", b"digest", 0, 0, NOW + CODE_LIFE)


def student(*, verified: bool = True) -> Account:
    registration = PendingRegistration(
        AccountHolder("Ada", AccountKind.STUDENT), "hash", b"digest", 0, NOW + CODE_LIFE
    )
    opened = open_account("usr_1", "maria@example.test", registration, NOW)
    return opened.verified_by(registration, NOW) if verified else opened


def staff(kind: AccountKind = AccountKind.MODERATOR) -> Account:
    return open_staff_account("usr_1", replace(MARIA, kind=kind), "unknown", SENT, NOW)


def reason_of_refusal(change: object) -> str:
    with pytest.raises(DomainError) as refused:
        change()  # type: ignore[operator]
    return refused.value.reason


def test_the_chassis_guards_all_kinds_of_staff() -> None:
    assert {kind.value for kind in STAFF_KINDS} == authorisation.STAFF_KINDS


def test_staff_is_no_member_of_a_company() -> None:
    membership = CompanyMembership("cmp_1", "Acme", CompanyRole.OWNER, number=1, team_version=1)
    assert staff().with_membership(membership, NOW) == staff()


def test_staff_without_an_app_has_no_session_left() -> None:
    equipped = staff().with_new_codes(Authenticator(b"secret", confirm_time=NOW), (b"code",))
    assert equipped.without_authenticator().credential == equipped.credential + 1
    person = student().with_new_codes(Authenticator(b"secret", confirm_time=NOW), (b"code",))
    assert person.without_authenticator().credential == person.credential


def test_a_staff_account_has_a_proven_address_the_limits_of_its_role_and_a_code() -> None:
    moderator, admin = staff(), staff(AccountKind.ADMIN)
    assert (moderator.email_verified, moderator.state) == (True, AccountState.ACTIVE)
    assert (moderator.plan, admin.plan) == (AccountPlan.PRO, AccountPlan.ADMIN)
    assert moderator.can_be_reset_at("maria@example.test") and moderator.reset == SENT


def test_an_account_in_use_never_becomes_staff() -> None:
    for used in (student(), staff(), suspended_account(student(), "Spam.", NOW)):
        assert reason_of_refusal(lambda used=used: as_staff_account(used, MARIA, "x", SENT, NOW)) == (
            "INVALID_FIELD"
        )


def test_a_registration_that_nobody_has_proven_keeps_no_address_from_staff() -> None:
    pending = student(verified=False)
    taken = as_staff_account(pending, MARIA, "unknown", SENT, NOW)
    assert (taken.id, taken.is_staff, taken.registrations) == (pending.id, True, ())
    assert taken.password_hash == "unknown"
    assert (taken.credential, taken.version) == (pending.credential + 1, pending.version + 1)


def test_former_staff_has_nothing_left_and_can_be_staff_again() -> None:
    equipped = replace(
        staff(), authenticator=Authenticator(b"secret", confirm_time=NOW), recovery_codes=(b"code",)
    )
    former = without_staff_rights(equipped, "unknown too", NOW)
    assert (former.can_sign_in, former.plan) == (False, AccountPlan.FREE)
    assert (former.authenticator, former.recovery_codes, former.reset) == (None, (), None)
    assert former.password_hash == "unknown too" and former.credential == equipped.credential + 1
    assert end_reason(equipped, former) is EndReason.ACCOUNT_SUSPENDED
    assert as_staff_account(former, MARIA, "x", SENT, NOW).can_sign_in
    assert reason_of_refusal(lambda: without_staff_rights(student(), "x", NOW)) == "INVALID_FIELD"


def test_a_suspended_account_has_no_sessions_and_does_not_sign_in_until_it_is_restored() -> None:
    suspended = suspended_account(student(), "Listings that ask for money.", NOW)
    assert suspended.credential == student().credential + 1
    assert reason_of_refusal(suspended.check_may_sign_in) == "ACCOUNT_LOCKED"
    assert suspended_account(suspended, "Again.", NOW) is suspended
    restored = restored_account(suspended, "It was somebody else.", NOW)
    restored.check_may_sign_in()
    assert restored.state_reason == "It was somebody else."
    assert restored_account(restored, "", NOW) is restored


def test_a_password_reset_lifts_no_suspension() -> None:
    suspended = suspended_account(student(), "Spam.", NOW)
    assert suspended.with_password("other", NOW).state is AccountState.SUSPENDED


def test_staff_is_not_suspended_by_staff_and_a_deleted_account_is_not_revived() -> None:
    for change in (suspended_account, restored_account):
        assert reason_of_refusal(lambda change=change: change(staff(), "x", NOW)) == "STAFF_ACCOUNT"
        gone = replace(student(), state=AccountState.DELETED)
        assert reason_of_refusal(lambda change=change, gone=gone: change(gone, "x", NOW)) == "USER_NOT_FOUND"


@given(st.booleans(), st.lists(st.sampled_from(["suspend", "restore", "password", "verify"]), max_size=8))
def test_any_sequence_ends_in_a_state_that_the_last_decision_names(verified: bool, steps: list[str]) -> None:
    account = student(verified=verified)
    fresh, is_suspended = account.state, False
    for step in steps:
        before = account
        match step:
            case "suspend":
                account, is_suspended = suspended_account(account, "Spam.", NOW), True
            case "restore":
                account, is_suspended = restored_account(account, "", NOW), False
            case "verify":
                proven = account.find_registration(PROOFS, CodeGuesses(1), NOW)
                account = account.verified_by(proven, NOW) if proven else account
                fresh = AccountState.ACTIVE if proven else fresh
            case _:
                account = account.with_password("other", NOW)
        assert account.version - before.version == (0 if account is before else 1)
        assert account.can_sign_in is not is_suspended
    assert account.state is (AccountState.SUSPENDED if is_suspended else fresh)
