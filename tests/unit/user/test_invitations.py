"""Invitations: whatever people do with them, in any order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chassis.errors import DomainError
from chassis.ids import new_id
from services.user.domain.invitations import (
    INVITATION_LIFE,
    INVITATION_TRANSITIONS,
    MAX_SENDS_PER_INVITATION,
    MIN_RESEND_PAUSE,
    Invitation,
    InvitationSecret,
    InvitationState,
)
from services.user.domain.roles import MemberRole

NOW = datetime(2027, 1, 1, tzinfo=UTC)
COMPANY = "cmp_01JD0000000000000000000000"
SECRET = InvitationSecret.new(COMPANY)
KEY = "grace@acme.test"


def an_invitation() -> Invitation:
    return Invitation(
        id="inv_01JD0000000000000000000000",
        email="Grace@acme.test",
        email_key=KEY,
        role=MemberRole.RECRUITER,
        secret_digest=SECRET.digest,
        inviter_id="usr_1",
        send_times=(NOW,),
        expire_time=NOW + INVITATION_LIFE,
    )


def reason_of(failure: pytest.ExceptionInfo[DomainError]) -> str:
    return failure.value.reason


def test_an_open_invitation_is_accepted_by_the_person_with_its_address() -> None:
    accepted = an_invitation().accept("usr_2", KEY, NOW)
    assert (accepted.state, accepted.accepted_by, accepted.close_time) == (
        InvitationState.ACCEPTED,
        "usr_2",
        NOW,
    )


def test_another_address_does_not_accept_it() -> None:
    with pytest.raises(DomainError) as failure:
        an_invitation().accept("usr_2", "mallory@acme.test", NOW)
    assert reason_of(failure) == "INVITATION_FOR_ANOTHER_ADDRESS"


def test_it_expires_to_the_moment_after_seven_days() -> None:
    end = NOW + timedelta(days=7)
    an_invitation().check_acceptable(KEY, end - timedelta(microseconds=1))
    with pytest.raises(DomainError) as failure:
        an_invitation().accept("usr_2", KEY, end)
    assert reason_of(failure) == "INVITATION_CLOSED"
    assert an_invitation().expire(end).state is InvitationState.EXPIRED
    assert an_invitation().expire(end - timedelta(microseconds=1)) == an_invitation()


def test_it_is_sent_again_with_a_new_secret_and_a_new_term() -> None:
    other, later = InvitationSecret.new(COMPANY), NOW + INVITATION_LIFE + timedelta(days=1)
    resent = an_invitation().resend(other.digest, later)
    assert resent.is_open(later)
    assert (resent.secret_digest, resent.expire_time) == (other.digest, later + INVITATION_LIFE)


def test_it_is_not_sent_again_within_a_minute_nor_too_often() -> None:
    with pytest.raises(DomainError) as failure:
        an_invitation().resend(b"", NOW + MIN_RESEND_PAUSE - timedelta(seconds=10))
    assert (reason_of(failure), failure.value.retry_after_s) == ("RATE_LIMITED", 10)
    often = replace(an_invitation(), send_times=(NOW,) * MAX_SENDS_PER_INVITATION)
    with pytest.raises(DomainError) as failure:
        often.resend(b"", NOW + timedelta(days=1))
    assert reason_of(failure) == "COMPANY_LIMIT_REACHED"


def test_a_repeated_answer_changes_nothing() -> None:
    later = NOW + timedelta(hours=1)
    declined, revoked = an_invitation().decline(NOW), an_invitation().revoke(NOW)
    assert declined.decline(later) == declined
    assert revoked.revoke(later) == revoked


@given(st.binary(min_size=32, max_size=32), st.integers(0, 16_383))
def test_the_text_of_a_link_names_its_secret_and_nothing_else(secret: bytes, slot: int) -> None:
    whole = InvitationSecret(new_id("cmp", slot), secret)
    assert InvitationSecret.parse(whole.text) == whole
    assert len(whole.text) <= 120


@given(
    st.text(max_size=130) | st.from_regex(r"cmp_[0-9A-HJKMNP-TV-Z]{26}\.[A-Za-z0-9_=-]{0,60}", fullmatch=True)
)
def test_any_other_text_is_no_link(text: str) -> None:
    try:
        assert InvitationSecret.parse(text).text == text
    except DomainError as error:
        assert error.reason == "INVITATION_NOT_FOUND"


def test_the_same_secret_with_another_company_is_another_one() -> None:
    assert InvitationSecret(new_id("cmp"), SECRET.secret).digest != SECRET.digest


def test_spare_bits_of_the_text_make_no_second_link() -> None:
    """43 letters hold 258 bits, two more than the secret."""
    last = SECRET.text[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(last) ^ 1]
    with pytest.raises(DomainError):
        InvitationSecret.parse(SECRET.text[:-1] + sibling)


class EverythingHappensToAnInvitation(RuleBasedStateMachine):
    """Answers, repeats, new mails and time, in any order."""

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.invitation = an_invitation()
        self.seen = [InvitationState.SENT]

    def attempt(self, target: InvitationState, after: Invitation | None, error: DomainError | None) -> None:
        before = self.invitation.state_at(self.now)
        if after is None:
            assert error is not None
            is_refused_move = error.reason == "INVITATION_CLOSED"
            assert is_refused_move == (
                target not in INVITATION_TRANSITIONS[before]
                and not (target is before is InvitationState.SENT)
            )
            return
        assert target in INVITATION_TRANSITIONS[before] or target is before
        self.invitation = after
        assert after.state_at(self.now) is target

    def move(self, target: InvitationState) -> None:
        moves = {
            InvitationState.ACCEPTED: lambda: self.invitation.accept("usr_2", KEY, self.now),
            InvitationState.DECLINED: lambda: self.invitation.decline(self.now),
            InvitationState.REVOKED: lambda: self.invitation.revoke(self.now),
            InvitationState.SENT: lambda: self.invitation.resend(b"digest", self.now),
        }
        try:
            after = moves[target]()
        except DomainError as error:
            self.attempt(target, None, error)
        else:
            self.attempt(target, after, None)

    @rule()
    def accept(self) -> None:
        self.move(InvitationState.ACCEPTED)

    @rule()
    def decline(self) -> None:
        self.move(InvitationState.DECLINED)

    @rule()
    def revoke(self) -> None:
        self.move(InvitationState.REVOKED)

    @rule()
    def resend(self) -> None:
        self.move(InvitationState.SENT)

    @rule(hours=st.integers(1, 200))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.invitation = self.invitation.expire(self.now)

    @invariant()
    def final_states_stay(self) -> None:
        if not hasattr(self, "invitation"):
            return
        state = self.invitation.state_at(self.now)
        if state is not self.seen[-1]:
            assert state in INVITATION_TRANSITIONS[self.seen[-1]]
            self.seen.append(state)

    @invariant()
    def only_an_accepted_one_names_who_accepted(self) -> None:
        if hasattr(self, "invitation"):
            assert bool(self.invitation.accepted_by) == (self.invitation.state is InvitationState.ACCEPTED)
            assert (self.invitation.close_time is None) == (self.invitation.state is InvitationState.SENT)


TestEverythingHappensToAnInvitation = EverythingHappensToAnInvitation.TestCase
TestEverythingHappensToAnInvitation.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None
)
