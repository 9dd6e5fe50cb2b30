"""Accounts, sessions, keys and events as messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import timestamp_pb2

from chassis.contracts import imported_contracts
from chassis.ids import new_id
from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.auth.v1 import security_events_pb2
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.options.v1 import options_pb2
from services.auth import mapping
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    AccountPlan,
    AccountState,
    CompanyMembership,
    CompanyPlan,
    CompanyRole,
    PendingRegistration,
    open_account,
)
from services.auth.domain.api_keys import ApiKey, ApiKeyScope, PresentedApiKey
from services.auth.domain.events import (
    RegistrationWasRepeated,
    SessionWasCompromised,
    UserWasRegistered,
    UserWasVerified,
    registered_events,
    verification_requested,
)
from services.auth.domain.keys import SigningKey
from services.auth.domain.security_events import (
    Performer,
    PerformerKind,
    SecurityEvent,
    SecurityNote,
    SecurityVerb,
)
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
    compromised = SessionWasCompromised("usr_1", "ses_1", "Firefox", "192.0.2.0/24", NOW)
    assert mapping.event_message(compromised) == events.SessionCompromised(
        user_id="usr_1",
        session_id="ses_1",
        device="Firefox",
        area="192.0.2.0/24",
        start_time=timestamp_pb2.Timestamp(seconds=int(NOW.timestamp())),
    )


@pytest.mark.parametrize("plan", AccountPlan)
def test_every_plan_is_read_by_its_value(plan: AccountPlan) -> None:
    assert mapping.plan_from_number(common.Plan.Value(f"PLAN_{plan}")) is plan


def test_an_administrator_sees_both_plans_of_a_member_and_its_owner_the_better_one(account: Account) -> None:
    shared = replace(account, company_plan=CompanyPlan("cmp_1", AccountPlan.PRO, 3), state_reason="Spam.")
    details = mapping.account_details_message(shared)
    assert (details.plan, details.company_plan) == (common.PLAN_FREE, common.PLAN_PRO)
    assert (details.user_id, details.name, details.state_reason) == ("usr_1", "Ada", "Spam.")
    assert not details.second_factor and details.create_time.ToDatetime(tzinfo=UTC) == NOW
    assert mapping.user_message(shared).plan == common.PLAN_PRO
    of_another = replace(account, company_plan=CompanyPlan("cmp_2", AccountPlan.PRO, 3))
    assert mapping.account_details_message(of_another).company_plan == common.PLAN_UNSPECIFIED
    assert mapping.user_message(of_another).plan == common.PLAN_FREE


def test_who_registers_a_company_is_its_first_member(account: Account) -> None:
    event = mapping.event_message(UserWasRegistered(account))
    assert isinstance(event, events.UserRegistered)
    assert mapping.founding_membership(event) == CompanyMembership(
        "cmp_1", "Acme", CompanyRole.OWNER, number=0, team_version=0
    )
    assert mapping.founding_membership(events.UserRegistered(user_id="usr_1")) is None


@pytest.mark.parametrize("verb", SecurityVerb)
def test_every_security_event_has_its_verb_on_the_wire(verb: SecurityVerb) -> None:
    performer = Performer(PerformerKind.STAFF, "usr_2", area="192.0.2.0/24", request_id="req-7")
    note = SecurityNote(verb, "ses_1", "before", "after")
    event = SecurityEvent("sev_1", "usr_1", 7, NOW, performer, note, b"")
    own = mapping.security_event_message(event)
    assert security_events_pb2.SecurityVerb.Name(own.verb) == f"SECURITY_VERB_{verb}"
    assert (own.id, own.number, own.target, own.before, own.after) == ("sev_1", 7, "ses_1", "before", "after")
    assert (own.area, own.request_id, own.performer_id) == ("", "", ""), "of staff"
    assert own.time.ToDatetime(tzinfo=UTC) == NOW
    full = mapping.security_event_message(event, names_performer=True)
    assert (full.area, full.request_id, full.performer_id) == ("192.0.2.0/24", "req-7", "usr_2")
    owner = Performer(PerformerKind.OWNER, "usr_1", area="192.0.2.0/24", request_id="req-7")
    by_owner = mapping.security_event_message(replace(event, performer=owner))
    assert (by_owner.area, by_owner.request_id, by_owner.performer_id) == ("192.0.2.0/24", "req-7", "")


def test_verbs_and_performers_of_the_contract_and_of_the_domain_are_the_same() -> None:
    for enum, kind in (
        (security_events_pb2.SecurityVerb, SecurityVerb),
        (security_events_pb2.PerformerKind, PerformerKind),
    ):
        names = {name.partition("_UNSPECIFIED")[0] for name in enum.keys() if enum.Value(name)}  # noqa: SIM118
        prefix = "SECURITY_VERB_" if kind is SecurityVerb else "PERFORMER_KIND_"
        assert {name.removeprefix(prefix) for name in names} == set(kind)


def test_discovery_says_where_the_keys_of_its_issuer_are() -> None:
    rpcs = {rpc.name: rpc for rpc in imported_contracts().rpcs}
    found = mapping.openid_configuration_message("https://api.example.com")
    assert found.issuer == "https://api.example.com"
    assert found.jwks_uri == f"{found.issuer}{rpcs['GetJwks'].http[0].path}"
    assert rpcs["GetOpenIdConfiguration"].http[0].path == "/.well-known/openid-configuration"
    assert not found.response_types_supported


def test_discovery_uses_the_names_of_its_standard() -> None:
    assert all(field.json_name == field.name for field in pb.OpenIdConfiguration.DESCRIPTOR.fields)


def test_every_scope_of_the_contract_is_one_of_the_domain() -> None:
    numbers = [number for number in options_pb2.ApiKeyScope.values() if number]
    assert mapping.scopes_from_numbers(reversed(numbers)) == tuple(ApiKeyScope)


def test_a_listed_key_shows_everything_but_its_secret() -> None:
    presented = PresentedApiKey.new(new_id("cmp"), NOW)
    scopes = (ApiKeyScope.FIGURES_READ,)
    key = ApiKey(presented.id, "CI", scopes, presented.digest, "usr_1", NOW, NOW + timedelta(days=1))
    message = mapping.api_key_message(key)
    assert presented.encode().startswith(f"{message.prefix}_")
    assert (message.id, message.name, message.creator_id) == (key.id, "CI", "usr_1")
    assert list(message.scopes) == [options_pb2.API_KEY_SCOPE_FIGURES_READ]
    assert message.expire_time.ToDatetime(tzinfo=UTC) == key.expire_time
    assert key.digest.hex() not in str(message)
