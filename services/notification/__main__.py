"""Starts the notification service: `python -m services.notification serve` or `… work`."""

from chassis.redis.call_tickets import CallTickets
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.settings import decode_key
from services.notification import api, inbox_broadcaster
from services.notification.event_handlers import NotificationEventHandlers
from services.notification.field_cipher import FieldCipher
from services.notification.jobs import jobs
from services.notification.mail_transport import SmtpTransport
from services.notification.rendering import NotificationRenderer
from services.notification.repository import NotificationRepository
from services.notification.service import dispatcher, mailer, read_inbox, update_recipients
from services.notification.settings import NotificationSettings


def build_service(resources: ServiceResources[NotificationSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    s, clock = resources.settings, resources.clock
    repository, cipher = NotificationRepository(resources.shards), FieldCipher(decode_key(s.data_key))
    renderer = NotificationRenderer(public_url=s.public_url, sender=s.mail_from, sender_name=s.mail_from_name)
    broadcaster = inbox_broadcaster.InboxBroadcaster(
        repository, max_streams=s.most_streams, max_streams_per_user=s.most_streams_per_user
    )
    tickets, transport = CallTickets(resources.redis), SmtpTransport(s)
    mails = mailer.Mailer(repository, cipher, renderer, transport, clock, max_attempt_s=s.smtp_timeout_s)
    dispatching = dispatcher.Dispatcher(repository, renderer, cipher, clock)
    handlers = NotificationEventHandlers(update_recipients.UpdateRecipients(repository), dispatching, mails)
    inbox = read_inbox.ReadInbox(repository, broadcaster, clock, max_stream_s=s.stream_most_s)
    servicer = api.NotificationServicer(inbox, resources.page_tokens, tickets, heartbeat_s=s.heartbeat_s)
    subscriptions, stream = handlers.subscriptions(), broadcaster.follow_inboxes
    closing = (transport.close, mails.close)
    return ServiceDefinition(
        (servicer,), subscriptions, jobs(mails), (stream,), (broadcaster.close,), closing
    )


if __name__ == "__main__":
    run_service("notification", NotificationSettings, build_service)
