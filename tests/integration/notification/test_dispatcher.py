"""From an event to the mailbox and the inbox, on real servers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.ids import new_id, slot_of
from chassis.message_fields import to_datetime
from chassis.messaging import ReceivedEvent
from chassis.sharding import rebalance
from internshipconnect.events.v1 import events_pb2 as events
from services.notification import mail_composition, rendering
from services.notification.domain.account_notices import verification_notices
from services.notification.domain.inbox import (
    MailDeliveryState,
    MailForm,
)
from services.notification.domain.notices import submission_notices
from services.notification.mail_composition import EncodedMail, MailDraft
from services.notification.mapping import application_facts_from_message
from services.notification.repository import DELIVERIES, NOTIFICATIONS
from services.notification.service.dispatcher import NoticedEvent
from tests.integration.notification.conftest import (
    ControlledMailServer,
    NotificationHarness,
    address,
    application,
)
from tests.integration.notification.incoming_events import handle_once, inbox, incoming, warning_notices
from tests.integration.scratch_broker import wait_until, wait_until_condition


def on_other_shard(service: NotificationHarness, user_id: str) -> str:
    here = service.shards.shard_for(user_id)
    return next(
        other for other in iter(lambda: new_id("usr"), "") if service.shards.shard_for(other) is not here
    )


async def test_an_event_delivered_three_times_gives_each_recipient_one_mail_and_one_entry(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    company = new_id("cmp")
    student = await at_work.register("Ada")
    owner = await at_work.register("Olga", company_id=company)
    recruiter = await at_work.register("Rolf", company_id=company, user_id=on_other_shard(at_work, owner))

    facts = application(student, company)
    await at_work.hear(events.ApplicationSubmitted(application=facts), facts.application_id, times=3)
    await wait_until(lambda: len(mail_server.mails) >= 3)
    last = await at_work.register("Zoe")
    await at_work.hear(events.SessionCompromised(user_id=last), last)
    await wait_until(lambda: mail_server.to(address("Zoe")))

    for user, name in ((student, "Ada"), (owner, "Olga"), (recruiter, "Rolf")):
        (entry,) = await inbox(at_work, user)
        (mail,) = mail_server.to(address(name))
        assert mail["Message-ID"] == f"<{entry.id}@ic.example>"
        assert entry.about == facts.application_id
        assert entry.title == mail["Subject"]


async def test_mails_wait_while_the_mail_server_is_down_and_arrive_when_it_is_back(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    mail_server.stop()
    await at_work.hear(events.SessionCompromised(user_id=user), user)
    await wait_until_condition(lambda: inbox(at_work, user))
    (entry,) = await inbox(at_work, user)

    async def has_been_tried() -> bool:
        delivery = await at_work.store.get_delivery(entry.id)
        return delivery is not None and delivery.attempts >= 2

    await wait_until_condition(has_been_tried)
    assert mail_server.mails == []

    mail_server.start()
    await wait_until(lambda: mail_server.to(address("Ada")))
    await at_work.settled(entry.id)
    delivery = await at_work.store.get_delivery(entry.id)
    assert delivery is not None
    assert delivery.state is MailDeliveryState.SENT
    assert delivery.attempts >= 2


async def test_a_mail_that_was_sent_while_its_slot_was_fenced_is_not_sent_again(
    at_work: NotificationHarness, mail_server: ControlledMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await at_work.register("Ada")
    delivery_id = await handle_once(at_work, user)
    first = at_work.shards.slot_map
    fence = rebalance.with_fence(first, {slot_of(user)})
    send = at_work.post.send

    async def send_and_meet_a_fence(mail: EncodedMail) -> None:
        await send(mail)
        at_work.shards.apply_slot_map(fence, dict.fromkeys(fence.uris, fence))
        asyncio.get_running_loop().call_later(0.6, at_work.shards.apply_slot_map, first, {})

    monkeypatch.setattr(at_work.post, "send", send_and_meet_a_fence)
    await at_work.mailer.send_mail(delivery_id)

    assert len(mail_server.to(address("Ada"))) == 1
    delivery = await at_work.store.get_delivery(delivery_id)
    assert delivery is not None
    assert (delivery.state, delivery.attempts) == (MailDeliveryState.SENT, 1)


async def test_an_event_that_outruns_the_registration_is_notified_once_the_recipient_is_known(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = new_id("usr")
    await at_work.hear(events.SessionCompromised(user_id=user), user)
    await asyncio.sleep(0.3)
    await at_work.register("Ada", user_id=user)
    await wait_until(lambda: mail_server.to(address("Ada")))
    assert len(await inbox(at_work, user)) == 1


async def test_a_code_reaches_the_mailbox_and_can_be_read_nowhere_else(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = new_id("usr")
    event = events.VerificationRequested(user_id=user, email="new@example.org", name="N", code="493817")
    event.expire_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=15))
    noticed = NoticedEvent(
        incoming(user), verification_notices(user, event.email, event.code, to_datetime(event.expire_time))
    )
    await service.dispatcher.dispatch([noticed])

    database = service.shards.shard_for(user).db
    assert await database[NOTIFICATIONS].count_documents({}) == 0
    row = await database[DELIVERIES].find_one({})
    assert row is not None
    assert "493817" not in str(row)
    assert "new@example.org" not in str(row)

    await service.mailer.send_mail(row["_id"])
    (mail,) = mail_server.to("new@example.org")
    body = mail.get_body(("plain",))
    assert body is not None
    assert "493817" in body.get_content()
    sent = await service.store.get_delivery(row["_id"])
    assert sent is not None
    assert sent.state is MailDeliveryState.SENT
    assert sent.sealed is None


async def test_the_first_mail_is_in_the_language_of_the_registration_and_so_are_later_ones(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = new_id("usr")
    event = events.VerificationRequested(
        user_id=user, email="new@example.org", name="N", code="493817", locale="de"
    )
    event.expire_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=15))
    await service.handle(event, incoming(user))
    (mail,) = mail_server.to("new@example.org")
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Sie" in body.get_content()

    registered = events.UserRegistered(user_id=user, email="new@example.org", name="N", locale="de")
    await service.handle(registered, incoming(user))
    known = (await service.store.find_recipients([user]))[user].addressee
    assert known is not None
    assert known.locale == "de"


async def test_a_mail_whose_headers_would_read_otherwise_is_queued_without_what_people_typed_in_them(
    service: NotificationHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = mail_composition.compose_mail

    def spoil_names(draft: MailDraft) -> EncodedMail:
        mail = compose(draft)
        spoilt = mail.raw.replace(b"Subject:", b"X-Injected: yes\r\nSubject:")
        return replace(mail, raw=spoilt) if draft.to.name else mail

    user = new_id("usr")
    registered = events.UserRegistered(user_id=user, email="ada@example.org", name="Ada")
    await service.handle(registered, incoming(user))
    monkeypatch.setattr(rendering, "compose_mail", spoil_names)
    notices = submission_notices(application_facts_from_message(application(user, new_id("cmp"))))
    await service.dispatcher.dispatch([NoticedEvent(incoming(user), notices[:1])])
    (entry,) = await inbox(service, user)
    delivery = await service.store.get_delivery(entry.id)
    assert delivery is not None
    assert (delivery.state, delivery.form) == (MailDeliveryState.QUEUED, MailForm.BARE)


async def test_a_mail_to_what_is_no_address_is_ended_before_it_is_queued(
    service: NotificationHarness,
) -> None:
    user = new_id("usr")
    registered = events.UserRegistered(user_id=user, email="no address", name="Ada")
    await service.handle(registered, incoming(user))
    delivery_id = await handle_once(service, user)
    delivery = await service.store.get_delivery(delivery_id)
    assert delivery is not None
    assert (delivery.state, delivery.sealed) == (MailDeliveryState.BOUNCED, None)
    assert delivery.error.startswith("not an address")


async def test_a_repeated_event_notifies_and_claims_only_once(at_work: NotificationHarness) -> None:
    user = await at_work.register("Ada")
    noticed = NoticedEvent(incoming(user), warning_notices(user))
    first = await at_work.dispatcher.dispatch([noticed, noticed], max_claims=5)
    assert len(first) == 1
    assert await at_work.dispatcher.dispatch([noticed], max_claims=5) == []
    assert len(await inbox(at_work, user)) == 1


async def test_a_batch_notifies_all_but_those_of_an_event_that_has_to_wait(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    known = [await at_work.register(name) for name in ("Ada", "Ben", "Cem")]
    late = new_id("usr")
    for user in (known[0], late, *known[1:]):
        await at_work.hear(events.SessionCompromised(user_id=user), user)
    await wait_until(lambda: len(mail_server.mails) >= 3)
    await at_work.register("Dora", user_id=late)
    await wait_until(lambda: mail_server.to(address("Dora")))
    for user in (*known, late):
        assert len(await inbox(at_work, user)) == 1
    assert len(mail_server.mails) == 4


async def test_an_undone_rejection_is_notified_requires_earlier_the_rejection_was(
    at_work: NotificationHarness,
) -> None:
    student = await at_work.register("Ada")
    unaware = application(student, new_id("cmp"))
    aware = application(student, new_id("cmp"))
    await at_work.handle(events.RejectionDisclosed(application=aware), incoming(aware.application_id))
    for facts in (unaware, aware):
        undone = events.ApplicationMoved(application=facts, to=5, actor=2, **{"from": 10})  # type: ignore[arg-type]
        await at_work.handle(undone, incoming(facts.application_id))
    told = {(entry.template, entry.about) for entry in await inbox(at_work, student)}
    assert told == {
        ("application_not_selected", aware.application_id),
        ("application_changed", aware.application_id),
    }


async def test_a_rejection_and_its_undoing_in_one_batch_are_both_notified(
    at_work: NotificationHarness,
) -> None:
    student = await at_work.register("Ada")
    facts = application(student, new_id("cmp"))
    undone = events.ApplicationMoved(application=facts, to=5, actor=2, **{"from": 10})  # type: ignore[arg-type]
    messages = (events.RejectionDisclosed(application=facts), undone)
    await at_work.handlers.handle_events(
        [ReceivedEvent(message, incoming(facts.application_id)) for message in messages]
    )
    assert {entry.template for entry in await inbox(at_work, student)} == {
        "application_not_selected",
        "application_changed",
    }


async def test_a_reader_of_german_gets_mails_and_inbox_entries_in_german(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    await at_work.hear(events.ProfileUpdated(user_id=user, name="Ada", locale="de-AT"), user)

    async def is_known_to_read_german() -> bool:
        return (await at_work.store.find_recipients([user]))[user].locale == "de-AT"

    await wait_until_condition(is_known_to_read_german)
    await at_work.hear(events.SessionCompromised(user_id=user), user)
    await at_work.hear(events.RegistrationRepeated(user_id=user, email=address("Ada"), name="Ada"), user)
    await wait_until(lambda: len(mail_server.to(address("Ada"))) >= 2)
    subjects = {mail["Subject"] for mail in mail_server.to(address("Ada"))}
    assert subjects == {entry.title for entry in await inbox(at_work, user)}
    assert subjects == {
        "Zum Schutz Ihres Kontos haben wir Sie auf einem Gerät abgemeldet",
        "Sie haben bereits ein Konto bei InternshipConnect",
    }
