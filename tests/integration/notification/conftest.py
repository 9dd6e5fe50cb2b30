"""The notification service in this process, on real stores and with a mail server of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from google.protobuf.message import Message

from chassis.clock import SystemClock
from chassis.erasures import ErasePeople, LateEvents
from chassis.ids import new_id
from chassis.messaging import IncomingEvent, ReceivedEvent
from chassis.messaging.message_bodies import OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.security.data_keys import DataKeys
from chassis.sharding import outbox
from chassis.sharding.erased_people import ErasedPeople
from chassis.sharding.shards import Shards
from internshipconnect.events.v1 import events_pb2 as events
from services.notification.event_handlers import NotificationEventHandlers
from services.notification.field_cipher import FieldCipher
from services.notification.inbox_broadcaster import InboxBroadcaster
from services.notification.mail_transport import SmtpTransport
from services.notification.rendering import NotificationRenderer
from services.notification.repository import COLLECTIONS, NotificationRepository
from services.notification.service.dispatcher import Dispatcher
from services.notification.service.mailer import MAX_SENDING, Mailer
from services.notification.service.read_inbox import ReadInbox
from services.notification.service.update_recipients import UpdateRecipients
from services.notification.settings import NotificationSettings
from tests.databases import own_databases
from tests.integration.scratch_broker import running_worker, scratch_vhost, wait_until, wait_until_condition
from tests.ports import free_port
from tests.stack import StackHandle


class ControlledMailServer:
    """A mail server that can be stopped and started, and can refuse an address."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refused: dict[str, str] = {}
        self.port = free_port()
        self._controller = Controller(self)

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if address in str(mail["To"])]

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def amqp_url(stack: StackHandle) -> Iterator[str]:
    with scratch_vhost(stack) as url:
        yield url


@pytest.fixture
async def shards(stack: StackHandle) -> AsyncIterator[Shards]:
    async with own_databases(stack, "notification", COLLECTIONS) as shards:
        yield shards


@pytest.fixture
def mail_server() -> Iterator[ControlledMailServer]:
    server = ControlledMailServer()
    server.start()
    yield server
    server.stop()


@dataclass
class NotificationHarness:
    """The parts of the service, wired as in its start-up, and a publisher of events to it."""

    shards: Shards
    smtp_port: int
    amqp_url: str
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = NotificationSettings.model_construct(
            smtp_host="127.0.0.1", smtp_port=self.smtp_port, smtp_timeout_s=5.0
        )
        clock = SystemClock()
        mails = NotificationRenderer(
            public_url="https://internships.example", sender="hello@ic.example", sender_name="IC"
        )
        envelopes = FieldCipher(DataKeys(b"k" * 32))
        self.store = NotificationRepository(self.shards)
        self.post = SmtpTransport(settings)
        self.feed = InboxBroadcaster(self.store, max_streams=10, max_streams_per_user=2)
        self.mailer = Mailer(
            self.store, envelopes, mails, self.post, clock, max_attempt_s=settings.smtp_timeout_s
        )
        self.inbox = ReadInbox(self.store, self.feed, clock, max_stream_s=60.0)
        tombstones = ErasedPeople(self.shards)
        self.dispatcher = Dispatcher(self.store, mails, envelopes, tombstones, clock)
        self.erasing = ErasePeople(
            tombstones,
            self.store.erase_person,
            lambda id_: events.NotificationPersonErased(user_id=id_),
            clock,
            timedelta(0),
        )
        self.handlers = NotificationEventHandlers(
            UpdateRecipients(self.store),
            self.dispatcher,
            self.mailer,
            self.erasing,
            LateEvents(tombstones),
        )
        self._publisher = EventPublisher(self.amqp_url)

    async def hear(self, message: Message, subject: str, *, times: int = 1) -> None:
        """Publish the event on the exchange, this number of times under one ID."""
        envelope = outbox.build_envelope(message, subject=subject, source="test", time=datetime.now(UTC))
        once = OutgoingEvent(envelope.id, envelope.type, envelope.SerializeToString())
        await self._publisher.publish([once] * times)

    async def register(self, name: str, *, company_id: str = "", user_id: str = "") -> str:
        """Register a user, wait until they are known, and return their ID."""
        user_id = user_id or new_id("usr")
        await self.hear(
            events.UserRegistered(user_id=user_id, email=address(name), name=name, company_id=company_id),
            user_id,
        )
        await wait_until_condition(lambda: self.store.find_recipients([user_id]))
        return user_id

    async def handle(self, message: Message, incoming: IncomingEvent) -> None:
        """Handle one event as the worker does, and wait until its mails have been tried."""
        await self.handlers.handle_events([ReceivedEvent(message, incoming)])
        await wait_until(lambda: self.mailer.free_capacity == MAX_SENDING)

    async def know(self, *names: str) -> list[str]:
        """Store users as recipients, without a worker; return their IDs."""
        user_ids = [new_id("usr") for _ in names]
        recipients = UpdateRecipients(self.store)
        for user_id, name in zip(user_ids, names, strict=True):
            await recipients.record_registration(user_id, email=address(name), name=name, company_id="")
        return user_ids

    async def settled(self, *delivery_ids: str) -> None:
        """Return when these mails are sent or have failed."""

        async def gone() -> bool:
            found = [await self.store.get_delivery(each) for each in delivery_ids]
            return all(each is not None and each.state not in ("QUEUED", "SENDING") for each in found)

        await wait_until_condition(gone)

    async def close(self) -> None:
        await self.post.close()
        await self._publisher.close()


def address(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.org"


@pytest.fixture
async def service(
    shards: Shards, mail_server: ControlledMailServer, amqp_url: str
) -> AsyncIterator[NotificationHarness]:
    service = NotificationHarness(shards, mail_server.port, amqp_url)
    yield service
    await service.close()


@pytest.fixture
async def at_work(service: NotificationHarness) -> AsyncIterator[NotificationHarness]:
    async def send_due_again_and_again() -> None:
        while True:
            await service.mailer.send_due()
            await asyncio.sleep(0.2)

    async with running_worker(service.amqp_url, service.shards, service.handlers.subscriptions()):
        sending = asyncio.create_task(send_due_again_and_again())
        yield service
        sending.cancel()


def application(student_id: str, company_id: str) -> events.ApplicationFacts:
    return events.ApplicationFacts(
        application_id=new_id("app"),
        student_id=student_id,
        student_name="Ada",
        internship_id=new_id("int"),
        internship_title="Engines",
        company_id=company_id,
        company_name="Acme",
    )
