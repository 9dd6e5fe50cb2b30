"""An account's copy of its membership: events in any order leave the latest."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    CompanyMembership,
    CompanyRole,
    PendingRegistration,
    open_account,
)
from services.auth.mapping import membership_from_event

NOW = datetime(2027, 1, 1, tzinfo=UTC)
GRACE = AccountHolder("Grace", AccountKind.COMPANY)
RECRUITER = CompanyMembership("cmp_1", "Acme", CompanyRole.RECRUITER, number=1, team_version=2)

memberships = st.builds(
    CompanyMembership,
    company_id=st.sampled_from(["cmp_1", "cmp_2"]),
    company_name=st.just("Acme"),
    role=st.none() | st.sampled_from(CompanyRole),
    number=st.integers(1, 4),
    team_version=st.integers(1, 4),
)


def account() -> Account:
    return open_account("usr_1", "grace@acme.test", PendingRegistration(GRACE, "hash", b"", 0, NOW), NOW)


def test_a_member_has_company_and_role_and_keeps_the_sessions() -> None:
    member = account().with_membership(RECRUITER, NOW)
    holder = member.holder
    assert (holder.name, holder.company_id, holder.role) == ("Grace", "cmp_1", CompanyRole.RECRUITER)
    assert (member.credential, member.version) == (account().credential, account().version + 1)


def test_the_end_of_a_membership_leaves_the_account_and_ends_its_sessions() -> None:
    member = account().with_membership(RECRUITER, NOW)
    ended = member.with_membership(replace(RECRUITER, role=None, team_version=3), NOW)
    assert ended.holder == GRACE
    assert ended.credential == member.credential + 1


def test_a_repeat_changes_nothing() -> None:
    member = account().with_membership(RECRUITER, NOW)
    assert member.with_membership(RECRUITER, NOW) is member


@given(st.lists(memberships, min_size=1, max_size=8, unique_by=lambda each: (each.number, each.team_version)))
def test_in_whatever_order_they_come_the_latest_membership_counts(order: list[CompanyMembership]) -> None:
    found = account()
    for membership in [*order, *order]:
        found = found.with_membership(membership, NOW)
    latest = max(order, key=lambda each: (each.number, each.team_version))
    assert found.holder.role is latest.role
    assert found.holder.company_id == ("" if latest.has_ended else latest.company_id)


def test_the_event_of_the_user_service_is_read() -> None:
    event = events.CompanyMembershipChanged(
        company_id="cmp_1",
        company_name="Acme",
        user_id="usr_1",
        role=common.COMPANY_ROLE_RECRUITER,
        membership_number=1,
        team_version=2,
    )
    assert membership_from_event(event) == RECRUITER
    event.role = common.COMPANY_ROLE_UNSPECIFIED
    assert membership_from_event(event).has_ended
