"""From an event to the mailbox and the inbox, on real servers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.message_fields import to_datetime
from chassis.messaging import IncomingEvent, ReceivedEvent
from chassis.sharding import rebalance
from internshipconnect.events.v1 import events_pb2 as events
from services.notification import mail_composition, rendering
from services.notification.domain.inbox import (
    SENDING_LEASE,
    MailDeliveryState,
    MailForm,
    Notification,
)
from services.notification.domain.notices import (
    Notices,
    compromised_session_notices,
    submission_notices,
    verification_notices,
)
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
from tests.integration.scratch_broker import wait_until, wait_until_condition


async def inbox(service: NotificationHarness, user_id: str) -> list[Notification]:
    return await service.store.list_page(user_id, unread_only=False, after=None, limit=50)


def on_other_shard(service: NotificationHarness, user_id: str) -> str:
    here = service.shards.shard_for(user_id)
    return next(
        other for other in iter(lambda: new_id("usr"), "") if service.shards.shard_for(other) is not here
    )


def incoming(subject: str) -> IncomingEvent:
    return IncomingEvent(
        event_id=new_id("evt"),
        type="auth.session.compromised",
        source="auth",
        subject=subject,
        time=datetime.now(UTC),
        traceparent="",
        queue="notification-dispatch",
    )


def _warning(user_id: str) -> Notices:
    return compromised_session_notices(user_id, "", "", datetime(2027, 1, 1, tzinfo=UTC))


async def handle_once(service: NotificationHarness, user_id: str) -> str:
    """Notify a user without sending the mail; return the delivery's ID."""
    noticed = NoticedEvent(incoming(user_id), _warning(user_id))
    assert await service.dispatcher.dispatch([noticed]) == []
    (entry,) = await inbox(service, user_id)
    return entry.id


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


async def test_an_address_that_is_refused_for_good_is_a_bounce_and_not_tried_again(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    mail_server.refused[address("Gone")] = "550 no such mailbox"
    user = await at_work.register("Gone")
    await at_work.hear(events.SessionCompromised(user_id=user), user)
    await wait_until_condition(lambda: inbox(at_work, user))
    (entry,) = await inbox(at_work, user)
    await at_work.settled(entry.id)
    delivery = await at_work.store.get_delivery(entry.id)
    assert delivery is not None
    assert (delivery.state, delivery.attempts) == (MailDeliveryState.BOUNCED, 1)
    assert "550" in delivery.error


async def test_an_address_that_is_refused_for_now_is_tried_again(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    mail_server.refused[address("Busy")] = "451 try later"
    user = await at_work.register("Busy")
    await at_work.hear(events.SessionCompromised(user_id=user), user)
    await wait_until_condition(lambda: inbox(at_work, user))
    (entry,) = await inbox(at_work, user)
    await wait_until_condition(lambda: _error(at_work, entry.id))
    mail_server.refused.clear()
    await at_work.settled(entry.id)
    assert len(mail_server.to(address("Busy"))) == 1


async def _error(service: NotificationHarness, delivery_id: str) -> str:
    delivery = await service.store.get_delivery(delivery_id)
    return delivery.error if delivery else ""


async def test_a_mail_whose_sender_died_is_sent_again_under_the_same_message_id(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    delivery_id = await handle_once(at_work, user)
    await at_work.settled(delivery_id)
    lease_over = datetime.now(UTC) - timedelta(seconds=1)
    row = await _row_as_if_never_settled(at_work, delivery_id, lease_over)

    await at_work.mailer.send_mail(row)
    first, second = mail_server.to(address("Ada"))
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_mail_that_another_process_is_sending_is_left_to_it(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    delivery_id = await handle_once(at_work, user)
    await at_work.settled(delivery_id)
    lease_runs = datetime.now(UTC) + timedelta(seconds=30)
    row = await _row_as_if_never_settled(at_work, delivery_id, lease_runs)

    with pytest.raises(DomainError, match="UNAVAILABLE"):
        await at_work.mailer.send_mail(row)
    assert len(mail_server.to(address("Ada"))) == 1


async def _row_as_if_never_settled(
    service: NotificationHarness, delivery_id: str, lease_until: datetime
) -> str:
    """Put the row back to what it was when its process died between the server's yes and writing SENT."""
    deliveries = service.shards.shard_for(delivery_id).db[DELIVERIES]
    other = await deliveries.find_one({"_id": delivery_id})
    assert other is not None
    envelopes = service.mailer._cipher
    user = await service.store.find_recipients([other["recipient_id"]])
    reader = user[other["recipient_id"]].addressee
    assert reader is not None
    (notice,) = _warning(other["recipient_id"])
    sealed = envelopes.encrypt(notice.content, reader, delivery_id=delivery_id)
    as_left = {"state": "SENDING", "lease_until": lease_until, "sealed": sealed}
    await deliveries.update_one({"_id": delivery_id}, {"$set": as_left})
    return delivery_id


async def test_a_sent_mail_is_never_sent_again(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    delivery_id = await handle_once(at_work, user)
    await at_work.settled(delivery_id)
    await at_work.mailer.send_mail(delivery_id)
    assert len(mail_server.to(address("Ada"))) == 1


async def test_a_repeated_event_notifies_and_claims_only_once(at_work: NotificationHarness) -> None:
    user = await at_work.register("Ada")
    noticed = NoticedEvent(incoming(user), _warning(user))
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


async def test_mails_beyond_what_a_process_claims_are_sent_by_the_next_sweep(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    users = [await at_work.register(f"Reader {number}") for number in range(5)]
    noticed = [NoticedEvent(incoming(user), _warning(user)) for user in users]
    claimed = await at_work.dispatcher.dispatch(noticed, max_claims=2)
    assert len(claimed) == 2
    await wait_until(lambda: len(mail_server.mails) >= 3)
    at_work.mailer.start_sending(claimed)
    await wait_until(lambda: len(mail_server.mails) >= 5)
    await at_work.mailer.close()
    for number in range(5):
        assert len(mail_server.to(address(f"Reader {number}"))) == 1


async def claim_due(service: NotificationHarness) -> list[str]:
    """Claim all due mails, as a sweep does; return their IDs."""
    now = datetime.now(UTC)
    claimed = await service.store.claim_due(now=now, lease_until=now + SENDING_LEASE, limit=100)
    return [each.id for each in claimed]


async def test_sweeps_at_once_share_what_is_due(service: NotificationHarness) -> None:
    users = await service.know(*(f"Reader {number}" for number in range(12)))
    noticed = [NoticedEvent(incoming(user), _warning(user)) for user in users]
    await service.dispatcher.dispatch(noticed)
    claimed = [id_ for part in await asyncio.gather(*(claim_due(service) for _ in range(3))) for id_ in part]
    assert len(claimed) == len(set(claimed)) == 12
    assert await claim_due(service) == []


async def test_a_mailer_that_closes_gives_mails_that_wait_to_others(service: NotificationHarness) -> None:
    users = await service.know(*(f"Reader {number}" for number in range(3)))
    noticed = [NoticedEvent(incoming(user), _warning(user)) for user in users]
    mails = await service.dispatcher.dispatch(noticed, max_claims=3)
    assert await claim_due(service) == []
    service.mailer.start_sending(mails)
    await service.mailer.close()
    assert sorted(await claim_due(service)) == sorted(each.delivery.id for each in mails)


async def test_claimed_mails_whose_process_dies_are_sent_when_their_lease_ends(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    noticed = NoticedEvent(incoming(user), _warning(user))
    (lost,) = await at_work.dispatcher.dispatch([noticed], max_claims=1)
    deliveries = at_work.shards.shard_for(lost.delivery.id).db[DELIVERIES]
    assert mail_server.mails == []
    over = {"$set": {"lease_until": datetime.now(UTC) - timedelta(seconds=1)}}
    await deliveries.update_one({"_id": lost.delivery.id}, over)
    await at_work.settled(lost.delivery.id)
    assert len(mail_server.to(address("Ada"))) == 1


async def test_a_mail_that_was_claimed_by_a_clock_far_ahead_is_not_waited_for(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    noticed = NoticedEvent(incoming(user), _warning(user))
    (lost,) = await at_work.dispatcher.dispatch([noticed], max_claims=1)
    ahead = {"$set": {"lease_until": datetime.now(UTC) + timedelta(hours=2)}}
    await (
        at_work.shards.shard_for(lost.delivery.id).db[DELIVERIES].update_one({"_id": lost.delivery.id}, ahead)
    )
    await at_work.settled(lost.delivery.id)
    assert len(mail_server.to(address("Ada"))) == 1


async def test_a_mail_that_cannot_be_sent_for_a_day_is_given_up(
    service: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = new_id("usr")
    registered = events.UserRegistered(user_id=user, email="ada@example.org", name="Ada")
    await service.handle(registered, incoming(user))
    delivery_id = await handle_once(service, user)
    mail_server.stop()
    deliveries = service.shards.shard_for(delivery_id).db[DELIVERIES]
    await service.mailer.send_due()
    waiting = await service.store.get_delivery(delivery_id)
    assert waiting is not None and waiting.state is MailDeliveryState.QUEUED
    assert waiting.lease_until is not None and waiting.lease_until > datetime.now(UTC)
    old = {"$set": {"create_time": datetime.now(UTC) - timedelta(days=2), "lease_until": datetime.now(UTC)}}
    await deliveries.update_one({"_id": delivery_id}, old)
    await service.mailer.send_due()
    given_up = await service.store.get_delivery(delivery_id)
    assert given_up is not None
    assert (given_up.state, given_up.lease_until) == (MailDeliveryState.FAILED, None)
    mail_server.start()


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
