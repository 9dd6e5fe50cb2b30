"""Who learns what of a company's people."""

from datetime import UTC, datetime

import pytest

from services.notification.domain import contents as c
from services.notification.domain.notices import Notice, ToAddress, ToUser
from services.notification.domain.team_notices import (
    InvitationFacts,
    MembershipFacts,
    OwnershipFacts,
    invitation_notices,
    membership_notices,
    ownership_notices,
)

SOON = datetime(2027, 1, 8, tzinfo=UTC)
OWNER, GRACE = "usr_owner", "usr_grace"


def an_invitation(company_name: str = "Acme", inviter_name: str = "Ada") -> c.CompanyInvitation:
    facts = InvitationFacts(
        invitation_id="inv_1",
        company_name=company_name,
        inviter_name=inviter_name,
        email="grace@acme.test",
        invitation_token="cmp_1.secret",
        expire_time=SOON,
        locale="de",
    )
    [notice] = invitation_notices(facts)
    assert notice.audience == ToAddress("inv_1", "grace@acme.test", "de")
    assert isinstance(notice.content, c.CompanyInvitation)
    return notice.content


def membership(change: str, actor_id: str = OWNER) -> tuple[Notice, ...]:
    return membership_notices(
        MembershipFacts(
            company_id="cmp_1",
            company_name="Acme",
            user_id=GRACE,
            member_name="Grace",
            change=change,
            actor_id=actor_id,
        )
    )


def test_the_secret_of_an_invitation_is_in_the_fragment_of_its_link_only() -> None:
    content = an_invitation()
    assert (content.path, content.fragment) == ("/app/invitation", "cmp_1.secret")
    assert not content.in_inbox


@pytest.mark.parametrize(
    "name", ["See https://evil.example", "www.evil.example", "mail x@evil.example", "evil.example/now"]
)
def test_a_name_that_mail_programs_make_a_link_of_is_left_out(name: str) -> None:
    content = an_invitation(company_name=name, inviter_name=name)
    assert (content.company_name, content.inviter_name) == ("", "")


@pytest.mark.parametrize("name", ["Acme & Söhne", "Booking.com", "A/B Testing", "St. Mary's", "日本株式会社"])
def test_an_ordinary_name_is_shown(name: str) -> None:
    assert an_invitation(company_name=name).company_name == name


def test_the_person_who_invited_learns_that_somebody_has_joined() -> None:
    [notice] = membership("JOINED")
    assert (notice.audience, type(notice.content)) == (ToUser(OWNER), c.CompanyMemberJoined)
    assert membership("JOINED", actor_id="") == ()


def test_only_a_member_whom_another_has_removed_is_mailed() -> None:
    [notice] = membership("REMOVED")
    assert (notice.audience, type(notice.content)) == (ToUser(GRACE), c.CompanyMemberRemoved)
    assert membership("REMOVED", actor_id=GRACE) == membership("LEFT") == membership("ROLE_CHANGED") == ()


def test_both_owners_learn_of_a_transfer() -> None:
    facts = OwnershipFacts(
        company_id="cmp_1",
        company_name="Acme",
        from_user_id=OWNER,
        from_name="Ada",
        to_user_id=GRACE,
        to_name="Grace",
    )
    assert [notice.audience for notice in ownership_notices(facts)] == [ToUser(GRACE), ToUser(OWNER)]
