"""The erasure of recipients on the stack's stores: inboxes and mails, and what comes about them later."""

from datetime import UTC, datetime

from google.protobuf.message import Message

from chassis.contracts import event_type
from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import user_pb2
from services.notification.event_handlers import DISPATCH_QUEUE
from services.notification.repository import COLLECTIONS, DELIVERIES, NOTIFICATIONS, RECIPIENTS
from tests.databases import read_outbox
from tests.integration.notification.conftest import NotificationHarness, address


def incoming(message: Message, subject: str) -> IncomingEvent:
    return IncomingEvent(
        event_id=new_id("evt"),
        type=event_type(message),
        source="test",
        subject=subject,
        time=datetime.now(UTC),
        traceparent="",
        queue=DISPATCH_QUEUE,
    )


async def handle(service: NotificationHarness, message: Message, user_id: str) -> None:
    await service.handle(message, incoming(message, user_id))


async def where_named(service: NotificationHarness, *markers: str) -> set[str]:
    """Return the collections in which one of the markers is."""
    return {
        spec.name
        for shard in service.shards.all_shards()
        for spec in COLLECTIONS
        for document in await shard.unscoped[spec.name].find({}).to_list()
        if any(marker in str(document) for marker in markers)
    }


async def erase(service: NotificationHarness, user_id: str) -> None:
    await service.erasing.request_erasure(user_id)
    await service.erasing.erase_due()


async def test_inbox_mails_and_recipient_of_an_erased_person_are_gone(service: NotificationHarness) -> None:
    [ada, eve] = await service.know("Ada Marker", "Eve")
    for user_id, name in ((ada, "Ada Marker"), (eve, "Eve")):
        changed = events.PasswordReplaced(user_id=user_id, email=address(name))
        await handle(service, changed, user_id)
    assert await where_named(service, ada) == {RECIPIENTS, NOTIFICATIONS, DELIVERIES}
    await erase(service, ada)
    assert await where_named(service, ada, address("Ada Marker"), "Ada Marker") == set()
    assert await where_named(service, eve) == {RECIPIENTS, NOTIFICATIONS, DELIVERIES}
    assert len(await read_outbox(service.shards, events.NotificationPersonErased, ada)) == 1


async def test_late_events_revive_nobody_and_hold_up_no_others(service: NotificationHarness) -> None:
    [ada] = await service.know("Ada")
    await erase(service, ada)
    email = address("Ada")
    for late in (
        events.UserRegistered(user_id=ada, email=email, name="Ada"),
        events.ProfileUpdated(user_id=ada, name="Ada"),
        events.EmailChanged(user_id=ada, former_email=email, email=email, account_version=9),
        events.PasswordReplaced(user_id=ada, email=email),
    ):
        await handle(service, late, ada)
    assert await where_named(service, ada, email) == set()


async def test_a_company_that_still_names_an_erased_member_is_notified(service: NotificationHarness) -> None:
    company_id = new_id("cmp")
    [ada, eve] = await service.know("Ada", "Eve")
    for user_id in (ada, eve):
        await service.store.set_company_member(company_id, user_id, is_member=True, team_version=1)
    await erase(service, ada)
    verified = events.CompanyStateChanged(
        company_id=company_id,
        company_name="Acme",
        to=user_pb2.COMPANY_STATE_SUSPENDED,
        reason="Spam",
    )
    await handle(service, verified, company_id)
    assert len(await service.store.list_page(eve, unread_only=False, after=None, limit=10)) == 1
    assert await service.store.list_page(ada, unread_only=False, after=None, limit=10) == []
    left = events.CompanyMembershipChanged(
        company_id=company_id,
        user_id=ada,
        role=common.COMPANY_ROLE_UNSPECIFIED,
        team_version=2,
    )
    await handle(service, left, ada)
    assert (await service.store.find_company_members([company_id]))[company_id] == (eve,)


async def test_what_colleagues_were_notified_of_an_anonymous_application_is_gone(
    service: NotificationHarness,
) -> None:
    company_id, application_id = new_id("cmp"), new_id("app")
    [ada, eve] = await service.know("Ada Marker", "Eve")
    await service.store.set_company_member(company_id, eve, is_member=True, team_version=1)
    facts = events.ApplicationFacts(
        application_id=application_id,
        student_id=ada,
        student_name="Ada Marker",
        internship_title="Intern",
        company_id=company_id,
        company_name="Acme",
    )
    await handle(service, events.ApplicationSubmitted(application=facts), ada)
    assert "Ada Marker" in str(await service.store.list_page(eve, unread_only=False, after=None, limit=10))
    anonymous = events.ApplicationFacts(application_id=application_id, company_id=company_id)
    message = events.ApplicationAnonymised(application=anonymous)
    await service.handlers.application_anonymised(message, incoming(message, application_id))
    assert await service.store.list_page(eve, unread_only=False, after=None, limit=10) == []
    await erase(service, ada)
    assert await where_named(service, "Ada Marker") == set()
    await handle(service, events.ApplicationSubmitted(application=facts), ada)
    assert await where_named(service, "Ada Marker") == set()
