"""Mails that are refused, tried again, shared between processes, sent once, and given up after a day."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.events.v1 import events_pb2 as events
from services.notification.domain.inbox import (
    SENDING_LEASE,
    MailDeliveryState,
)
from services.notification.repository import DELIVERIES
from services.notification.service.dispatcher import NoticedEvent
from tests.integration.notification.conftest import (
    ControlledMailServer,
    NotificationHarness,
    address,
)
from tests.integration.notification.incoming_events import handle_once, inbox, incoming, warning_notices
from tests.integration.scratch_broker import wait_until, wait_until_condition


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
    (notice,) = warning_notices(other["recipient_id"])
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


async def test_mails_beyond_what_a_process_claims_are_sent_by_the_next_sweep(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    users = [await at_work.register(f"Reader {number}") for number in range(5)]
    noticed = [NoticedEvent(incoming(user), warning_notices(user)) for user in users]
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
    noticed = [NoticedEvent(incoming(user), warning_notices(user)) for user in users]
    await service.dispatcher.dispatch(noticed)
    claimed = [id_ for part in await asyncio.gather(*(claim_due(service) for _ in range(3))) for id_ in part]
    assert len(claimed) == len(set(claimed)) == 12
    assert await claim_due(service) == []


async def test_a_mailer_that_closes_gives_mails_that_wait_to_others(service: NotificationHarness) -> None:
    users = await service.know(*(f"Reader {number}" for number in range(3)))
    noticed = [NoticedEvent(incoming(user), warning_notices(user)) for user in users]
    mails = await service.dispatcher.dispatch(noticed, max_claims=3)
    assert await claim_due(service) == []
    service.mailer.start_sending(mails)
    await service.mailer.close()
    assert sorted(await claim_due(service)) == sorted(each.delivery.id for each in mails)


async def test_claimed_mails_whose_process_dies_are_sent_when_their_lease_ends(
    at_work: NotificationHarness, mail_server: ControlledMailServer
) -> None:
    user = await at_work.register("Ada")
    noticed = NoticedEvent(incoming(user), warning_notices(user))
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
    noticed = NoticedEvent(incoming(user), warning_notices(user))
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
