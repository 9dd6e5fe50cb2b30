"""Accounts follow the memberships that the user service publishes: claims, sessions and revocations."""

from datetime import timedelta

import jwt
import pytest

from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1.events_pb2 import CompanyMembershipChanged, UserRegistered
from services.auth.domain.accounts import AccountKind
from services.auth.domain.sign_in_result import SignInResult
from services.auth.event_handlers import MEMBERSHIPS_QUEUE, AuthEventHandlers
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness

EMAIL = "grace@acme.test"
COMPANY = new_id("cmp")
RECRUITER, VIEWER, NO_ROLE = (
    common.COMPANY_ROLE_RECRUITER,
    common.COMPANY_ROLE_VIEWER,
    common.COMPANY_ROLE_UNSPECIFIED,
)


async def an_invited_person(auth: AuthHarness) -> SignInResult:
    """Return a person who was invited: a company account that founds no company."""
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.registration.register(email=EMAIL, password=PASSWORD, name="Grace", kind=AccountKind.COMPANY)
    user_id = await auth.accounts.find_user_id(EMAIL)
    assert user_id
    return await auth.registration.verify_email(EMAIL, (await auth.codes(user_id))[-1])


async def hear(
    auth: AuthHarness,
    user_id: str,
    role: common.CompanyRole.ValueType,
    *,
    version: int,
    number: int = 1,
    company_id: str = COMPANY,
) -> None:
    event = CompanyMembershipChanged(
        company_id=company_id,
        company_name="Acme",
        user_id=user_id,
        role=role,
        membership_number=number,
        team_version=version,
    )
    incoming = IncomingEvent(
        new_id("evt"), "user.membership.changed", "user", company_id, auth.clock.now(), "", MEMBERSHIPS_QUEUE
    )
    [subscription] = AuthEventHandlers(auth.cases.memberships, auth.cases.api_keys).subscriptions()
    await subscription.handlers[CompanyMembershipChanged](event, incoming)


def claims(signed_in: SignInResult) -> tuple[str, str]:
    token = jwt.decode(signed_in.access_token, options={"verify_signature": False})
    return token["org"], token["role"]


async def test_an_account_by_invitation_founds_no_company(auth: AuthHarness) -> None:
    grace = await an_invited_person(auth)
    assert claims(grace) == ("", "")
    [event] = await read_outbox(auth.shards, UserRegistered, grace.account.id)
    assert (event.kind, event.company_id, event.role) == (common.ACCOUNT_KIND_COMPANY, "", NO_ROLE)


async def test_company_and_role_are_in_the_tokens_of_the_next_refresh(auth: AuthHarness) -> None:
    grace = await an_invited_person(auth)
    await hear(auth, grace.account.id, RECRUITER, version=2)
    joined = await auth.sign_in.refresh(grace.refresh_token)
    assert claims(joined) == (COMPANY, "RECRUITER")
    await hear(auth, grace.account.id, VIEWER, version=3)
    assert claims(await auth.sign_in.refresh(joined.refresh_token)) == (COMPANY, "VIEWER")
    assert auth.revocations.revoked == set()


async def test_the_end_of_a_membership_ends_every_session_at_once(auth: AuthHarness) -> None:
    grace = await an_invited_person(auth)
    await hear(auth, grace.account.id, RECRUITER, version=2)
    other = await auth.sign_in.login(EMAIL, PASSWORD)
    await hear(auth, grace.account.id, NO_ROLE, version=3)
    sessions = {each.refresh_token.partition(".")[0] for each in (grace, other)}
    assert auth.revocations.revoked == sessions
    for each in (grace, other):
        with pytest.raises(DomainError) as failure:
            await auth.sign_in.refresh(each.refresh_token)
        assert failure.value.reason == "INVALID_REFRESH_TOKEN"
    again = await auth.sign_in.login(EMAIL, PASSWORD)
    assert claims(again) == ("", "")
    await auth.sign_in.refresh(again.refresh_token)


async def test_a_repeat_after_a_crash_revokes_again_and_ends_no_later_session(auth: AuthHarness) -> None:
    grace = await an_invited_person(auth)
    await hear(auth, grace.account.id, RECRUITER, version=2)
    await hear(auth, grace.account.id, NO_ROLE, version=3)
    later = await auth.sign_in.login(EMAIL, PASSWORD)
    auth.revocations.revoked.clear()
    await hear(auth, grace.account.id, NO_ROLE, version=3)
    assert auth.revocations.revoked == {grace.refresh_token.partition(".")[0]}
    await auth.sign_in.refresh(later.refresh_token)


async def test_events_that_overtake_each_other_leave_the_latest_membership(auth: AuthHarness) -> None:
    grace = await an_invited_person(auth)
    other = new_id("cmp")
    await hear(auth, grace.account.id, VIEWER, number=3, version=1, company_id=other)
    await hear(auth, grace.account.id, NO_ROLE, number=1, version=8)
    await hear(auth, grace.account.id, RECRUITER, number=1, version=7)
    assert claims(await auth.sign_in.refresh(grace.refresh_token)) == (other, "VIEWER")


async def test_a_founder_who_leaves_has_no_company_any_more(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL, company="Acme")
    founder = await auth.registration.verify_email(EMAIL, (await auth.codes(user_id))[-1])
    company, role = claims(founder)
    assert role == "OWNER"
    await hear(auth, user_id, NO_ROLE, number=0, version=5, company_id=company)
    assert claims(await auth.sign_in.login(EMAIL, PASSWORD)) == ("", "")


async def test_the_membership_of_an_account_that_is_not_there_is_let_go(auth: AuthHarness) -> None:
    await hear(auth, new_id("usr"), RECRUITER, version=2)
