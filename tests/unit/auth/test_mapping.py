"""Accounts, sessions, keys and events as messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from services.auth import mapping
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    AccountPlan,
    AccountState,
    CompanyRole,
    PendingRegistration,
    open_account,
)
from services.auth.domain.events import (
    RegistrationWasRepeated,
    SessionWasCompromised,
    UserWasRegistered,
    UserWasVerified,
    registered_events,
    verification_requested,
)
from services.auth.domain.keys import SigningKey
from services.auth.domain.sign_in_result import SignInResult

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOLDER = AccountHolder("Ada", AccountKind.COMPANY, CompanyRole.OWNER, "cmp_1", "Acme")
REGISTRATION = PendingRegistration(HOLDER, "hash", b"digest", 0, NOW + timedelta(minutes=15))


@pytest.fixture
def account() -> Account:
    return open_account("usr_1", "ada@acme.test", REGISTRATION, NOW)


@pytest.mark.parametrize("kind", AccountKind)
def test_every_kind_of_account_is_read_by_its_value(kind: AccountKind) -> None:
    assert mapping.account_kind_from_number(common.AccountKind.Value(f"ACCOUNT_KIND_{kind}")) is kind


def test_a_session_carries_its_user_and_its_tokens(account: Account) -> None:
    message = mapping.session_message(SignInResult(account, "access", "refresh", "device"))
    tokens = message.data.tokens
    assert (tokens.access_token, tokens.refresh_token, tokens.expires_in) == ("access", "refresh", 900)
    assert message.data.device_token == "device"
    user = message.data.user
    assert (user.id, user.email, user.company_id) == ("usr_1", "ada@acme.test", "cmp_1")
    assert (user.kind, user.role) == (common.ACCOUNT_KIND_COMPANY, common.COMPANY_ROLE_OWNER)
    assert (user.plan, user.state) == (common.PLAN_FREE, pb.ACCOUNT_STATE_PENDING_VERIFICATION)
    assert not user.email_verified
    assert user.create_time.ToDatetime(tzinfo=UTC) == NOW


def test_a_refreshed_session_has_no_device_token(account: Account) -> None:
    message = mapping.session_message(SignInResult(account, "access", "refresh"))
    assert not message.data.HasField("device_token")


def test_every_plan_and_state_has_its_value(account: Account) -> None:
    for plan in AccountPlan:
        for state in AccountState:
            user = mapping.session_message(
                SignInResult(replace(account, plan=plan, state=state), "", "")
            ).data.user
            assert common.Plan.Name(user.plan) == f"PLAN_{plan}"
            assert pb.AccountState.Name(user.state) == f"ACCOUNT_STATE_{state}"


def test_a_student_has_no_role(account: Account) -> None:
    student = replace(account, holder=AccountHolder("Ada", AccountKind.STUDENT))
    user = mapping.session_message(SignInResult(student, "", "")).data.user
    assert (user.kind, user.role) == (common.ACCOUNT_KIND_STUDENT, common.COMPANY_ROLE_UNSPECIFIED)


def test_a_key_is_published_as_rfc_7517_wants_it() -> None:
    key = SigningKey("signing-key-000001", 1, "kid", "x", "y", b"sealed", NOW, NOW)
    assert mapping.jwk_message(key) == pb.Jwk(
        kty="EC", crv="P-256", kid="kid", use="sig", alg="ES256", x="x", y="y"
    )


def test_an_account_is_announced_with_its_holder_and_version(account: Account) -> None:
    assert mapping.event_message(UserWasRegistered(account)) == events.UserRegistered(
        user_id="usr_1",
        email="ada@acme.test",
        name="Ada",
        kind=common.ACCOUNT_KIND_COMPANY,
        role=common.COMPANY_ROLE_OWNER,
        company_id="cmp_1",
        company_name="Acme",
        account_version=1,
    )


def test_a_holder_that_stays_the_same_is_not_announced_again(account: Account) -> None:
    assert registered_events(None, account) == (UserWasRegistered(account),)
    assert registered_events(account, replace(account, version=2)) == ()
    german = replace(account, locale="de")
    assert registered_events(account, german) == (UserWasRegistered(german),)
    moved = replace(account, email="Ada@acme.test")
    assert registered_events(account, moved) == (UserWasRegistered(moved),)


def test_a_code_is_sent_with_its_name_and_expiry(account: Account) -> None:
    german = replace(REGISTRATION, locale="de")
    message = mapping.event_message(verification_requested(account, "12345678", german))
    assert isinstance(message, events.VerificationRequested)
    assert (message.user_id, message.email, message.name) == ("usr_1", "ada@acme.test", "Ada")
    assert (message.code, message.locale) == ("12345678", "de")
    assert message.expire_time.ToDatetime(tzinfo=UTC) == REGISTRATION.expire_time


def test_the_other_events_name_their_user(account: Account) -> None:
    assert mapping.event_message(UserWasVerified("usr_1")) == events.UserVerified(user_id="usr_1")
    assert mapping.event_message(RegistrationWasRepeated(account)) == events.RegistrationRepeated(
        user_id="usr_1", email="ada@acme.test", name="Ada"
    )
    assert mapping.event_message(SessionWasCompromised("usr_1", "ses_1")) == events.SessionCompromised(
        user_id="usr_1", session_id="ses_1"
    )
