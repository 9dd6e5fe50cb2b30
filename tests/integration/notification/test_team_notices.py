"""The mails of companies' people, and the members who get a company's notices."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import companies_pb2 as companies
from internshipconnect.user.v1 import user_pb2 as user
from services.notification.service.update_recipients import UpdateRecipients
from tests.integration.notification.conftest import ControlledMailServer, NotificationHarness, address

COMPANY = new_id("cmp")
JOINED, REMOVED = companies.MEMBERSHIP_CHANGE_JOINED, companies.MEMBERSHIP_CHANGE_REMOVED


def incoming(subject: str) -> IncomingEvent:
    return IncomingEvent(new_id("evt"), "x", "user", subject, datetime.now(UTC), "", "notification-dispatch")


def membership(
    user_id: str,
    change: companies.MembershipChange.ValueType,
    version: int,
    *,
    actor_id: str = "",
    company_id: str = COMPANY,
) -> events.CompanyMembershipChanged:
    return events.CompanyMembershipChanged(
        company_id=company_id,
        company_name="Acme",
        user_id=user_id,
        member_name="Grace",
        role=common.COMPANY_ROLE_VIEWER if change == JOINED else common.COMPANY_ROLE_UNSPECIFIED,
        change=change,
        actor_id=actor_id,
        membership_number=1,
        team_version=version,
    )


def invitation(**given: str) -> events.CompanyInvitationSent:
    names: Any = {"company_name": "Acme & Söhne", "inviter_name": "<b>Ada</b>"} | given
    sent = events.CompanyInvitationSent(
        invitation_id=new_id("inv"),
        company_id=COMPANY,
        email="grace@example.org",
        invitation_token=f"{COMPANY}.{'s' * 43}",
        locale="de",
        **names,
    )
    sent.expire_time.FromDatetime(datetime.now(UTC) + timedelta(days=7))
    return sent


async def test_an_invitation_reaches_an_address_without_an_account(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    sent = invitation()
    await service.handle(sent, incoming(COMPANY))
    [mail] = mail_server.to("grace@example.org")
    assert mail["Subject"] == "Acme & Söhne lädt Sie ein"
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None and html is not None
    [link] = [word for word in text.get_content().split() if "/app/invitation" in word]
    assert unquote(urlsplit(link).fragment) == sent.invitation_token
    assert sent.invitation_token not in urlsplit(link)._replace(fragment="").geturl()
    assert "<b>Ada</b>" in text.get_content()
    assert "<b>Ada</b>" not in html.get_content()


async def test_names_that_are_links_are_left_out_of_an_invitation(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    await service.handle(
        invitation(company_name="Win at https://evil.example/now", inviter_name="www.evil.example"),
        incoming(COMPANY),
    )
    [mail] = mail_server.to("grace@example.org")
    assert "evil" not in mail.as_string()
    assert mail["Subject"] == "Einladung in ein Unternehmen"


async def test_members_who_join_get_the_companys_notices_and_those_who_are_removed_do_not(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    company = new_id("cmp")
    owner, grace = await service.know("Olga", "Grace")
    await UpdateRecipients(service.store).record_registration(
        owner, email=address("Olga"), name="Olga", company_id=company
    )
    joined = membership(grace, JOINED, 2, actor_id=owner, company_id=company)
    await service.handle(joined, incoming(company))
    [told] = mail_server.to(address("Olga"))
    assert told["Subject"] == "Grace has joined Acme"

    verified = events.CompanyStateChanged(
        company_id=company, company_name="Acme", to=user.COMPANY_STATE_VERIFIED
    )
    await service.handle(verified, incoming(company))
    assert len(mail_server.to(address("Grace"))) == 1

    removed = membership(grace, REMOVED, 3, actor_id=owner, company_id=company)
    await service.handle(removed, incoming(company))
    await service.handle(joined, incoming(company))  # a late repeat
    await service.handle(verified, incoming(company))
    subjects = [str(mail["Subject"]) for mail in mail_server.to(address("Grace"))]
    assert subjects == ["Acme is verified", "You are no longer a member of Acme"]


async def test_memberships_that_overtake_each_other_leave_the_latest(service: NotificationHarness) -> None:
    company, people = new_id("cmp"), [new_id("usr") for _ in range(8)]
    recipients = UpdateRecipients(service.store)

    async def join(user_id: str, version: int) -> None:
        await recipients.record_membership(company, user_id, is_member=True, team_version=version)

    async def leave(user_id: str, version: int) -> None:
        await recipients.record_membership(company, user_id, is_member=False, team_version=version)

    # The first change of a company, by several at once.
    await asyncio.gather(*(join(user_id, number + 1) for number, user_id in enumerate(people)))
    await leave(people[0], 20)
    await join(people[0], 19)
    await leave(people[1], 1)
    await recipients.record_registration(people[0], email="a@b.example", name="A", company_id=company)
    members = await service.store.find_company_members([company])
    assert set(members[company]) == set(people[1:])
    emptied = new_id("cmp")
    await recipients.record_membership(emptied, people[0], is_member=False, team_version=4)
    assert await service.store.find_company_members([emptied]) == {emptied: ()}


async def test_both_sides_learn_of_a_new_owner(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    olga, grace = await service.know("Olga", "Grace")
    transferred = events.CompanyOwnershipTransferred(
        company_id=COMPANY,
        company_name="Acme",
        from_user_id=olga,
        from_name="Olga",
        to_user_id=grace,
        to_name="Grace",
    )
    await service.handle(transferred, incoming(COMPANY))
    for name in ("Olga", "Grace"):
        [mail] = mail_server.to(address(name))
        assert mail["Subject"] == "Grace is now an owner of Acme"
