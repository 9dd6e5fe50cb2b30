"""What changes of accounts and sessions have to say, by the two states alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.auth.domain.accounts import (
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
from services.auth.domain.codes import SentCode
from services.auth.domain.plans import with_plan
from services.auth.domain.second_factors import Authenticator
from services.auth.domain.security_events import SecurityNote, SecurityVerb
from services.auth.domain.security_notes import account_notes, session_notes
from services.auth.domain.sessions import EndReason, RefreshToken, start_session
from services.auth.domain.staff import (
    open_staff_account,
    restored_account,
    suspended_account,
    without_staff_rights,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOLDER = AccountHolder("Ada", AccountKind.COMPANY)
SENT = SentCode("grace@example.org", b"", 0, 0, NOW)


def pending() -> Account:
    return open_account("usr_1", "ada@example.org", PendingRegistration(HOLDER, "hash", b"", 0, NOW), NOW)


def account() -> Account:
    return pending().verified_by(PendingRegistration(HOLDER, "hash", b"", 0, NOW), NOW)


def only_note(before: Account | None, after: Account) -> SecurityNote:
    [note] = account_notes(before, after)
    return note


def test_an_account_that_nobody_has_proven_says_nothing_until_it_is() -> None:
    assert account_notes(None, pending()) == ()
    again = pending().with_registration(PendingRegistration(HOLDER, "other", b"", 0, NOW), NOW)
    assert account_notes(pending(), again) == ()
    assert only_note(pending(), account()).verb is SecurityVerb.ADDRESS_VERIFIED


def test_addresses_are_redacted() -> None:
    moved = replace(account(), address_change=SENT).with_address(NOW)
    note = only_note(account(), moved)
    assert note == SecurityNote(SecurityVerb.ADDRESS_CHANGED, "", "a***@example.org", "g***@example.org")


def test_another_password_is_said_and_another_hash_of_the_same_one_is_not() -> None:
    assert only_note(account(), account().with_password("other", NOW)) == SecurityNote(
        SecurityVerb.PASSWORD_REPLACED
    )
    assert account_notes(account(), replace(account(), password_hash="renewed")) == ()
    assert account_notes(account(), account().with_reset(SENT)) == ()


def test_second_factors_are_said_without_their_secrets() -> None:
    begun = account().with_authenticator(Authenticator(b"secret"))
    assert account_notes(account(), begun) == ()
    app = Authenticator(b"secret", confirm_time=NOW, last_step=1)
    on = begun.with_new_codes(app, (b"one", b"two"))
    assert only_note(begun, on) == SecurityNote(SecurityVerb.SECOND_FACTOR_ADDED, "authenticator app")
    assert account_notes(on, on.with_used_step(2)) == ()
    used = on.with_authenticator(app, (b"two",))
    assert only_note(on, used) == SecurityNote(SecurityVerb.RECOVERY_CODE_USED, "", "2 left", "1 left")
    renewed = on.with_new_codes(app, (b"three", b"four"))
    assert only_note(on, renewed).verb is SecurityVerb.RECOVERY_CODES_RENEWED
    encrypted_again = on.with_authenticator(app, (b"five", b"six"))
    assert account_notes(on, encrypted_again) == ()
    assert only_note(on, on.with_authenticator(None)).verb is SecurityVerb.SECOND_FACTOR_REMOVED


def test_plans_memberships_and_states_are_said_with_their_values() -> None:
    better = with_plan(account(), AccountPlan.PRO, NOW)
    assert only_note(account(), better) == SecurityNote(SecurityVerb.PLAN_CHANGED, "", "FREE", "PRO")
    joined = account().with_membership(
        CompanyMembership("cmp_1", "Acme", CompanyRole.VIEWER, number=1, team_version=1), NOW
    )
    assert only_note(account(), joined) == SecurityNote(
        SecurityVerb.MEMBERSHIP_CHANGED, "cmp_1", "", "VIEWER"
    )
    suspended = suspended_account(account(), "Spam.", NOW)
    assert only_note(account(), suspended) == SecurityNote(
        SecurityVerb.SUSPENDED, "Spam.", "ACTIVE", "SUSPENDED"
    )
    restored = restored_account(suspended, "A mistake.", NOW)
    assert only_note(suspended, restored).verb is SecurityVerb.RESTORED


def test_of_an_account_that_nobody_has_proven_only_what_staff_does_is_said() -> None:
    pending = replace(account(), state=AccountState.PENDING_VERIFICATION, verify_time=None)
    assert account_notes(pending, pending.with_reset(SENT)) == ()
    suspended = suspended_account(pending, "Spam.", NOW)
    assert only_note(pending, suspended).verb is SecurityVerb.SUSPENDED
    assert only_note(pending, with_plan(pending, AccountPlan.PRO, NOW)).verb is SecurityVerb.PLAN_CHANGED


def test_staff_rights_are_said_when_they_come_and_when_they_go() -> None:
    staff = open_staff_account("usr_1", AccountHolder("Maria", AccountKind.ADMIN), "unknown", SENT, NOW)
    assert only_note(None, staff) == SecurityNote(SecurityVerb.STAFF_RIGHTS_GIVEN, after="ADMIN")
    verbs = [note.verb for note in account_notes(staff, without_staff_rights(staff, "x", NOW))]
    assert verbs == [
        SecurityVerb.STAFF_RIGHTS_TAKEN,
        SecurityVerb.PASSWORD_REPLACED,
        SecurityVerb.PLAN_CHANGED,
    ]


def test_a_session_says_that_it_ended_or_was_proven_again_and_nothing_of_its_refreshes() -> None:
    session = start_session("usr_1", 1, RefreshToken("ses_1", b"x"), amr=("pwd",), now=NOW)
    ended = session.end(EndReason.LOGOUT, NOW)
    assert session_notes(session, ended) == (
        SecurityNote(SecurityVerb.SESSION_ENDED, "ses_1", after="LOGOUT"),
    )
    assert session_notes(ended, ended) == session_notes(None, session) == ()
    assert session_notes(session, replace(session, refresh_time=NOW + timedelta(hours=1))) == ()
    proven = session.reauthenticated(("pwd", "otp", "mfa"), NOW)
    assert session_notes(session, proven) == (
        SecurityNote(SecurityVerb.REAUTHENTICATED, "ses_1", "pwd", "pwd otp mfa"),
    )
