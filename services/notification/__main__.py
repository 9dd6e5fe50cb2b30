"""Starts the notification service: `python -m services.notification serve` or `… work`."""

from chassis.redis.call_tickets import CallTickets
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.settings import decode_key
from services.notification.api import NotificationServicer
from services.notification.event_handlers import NotificationEventHandlers
from services.notification.field_cipher import FieldCipher
from services.notification.inbox_broadcaster import InboxBroadcaster
from services.notification.mail_transport import SmtpTransport
from services.notification.mailer import Mailer
from services.notification.rendering import NotificationRenderer
from services.notification.repository import NotificationRepository
from services.notification.service import Dispatcher, ReadInbox, UpdateRecipients
from services.notification.settings import NotificationSettings


def build_service(r: ServiceResources[NotificationSettings]) -> ServiceDefinition:
    """Wires the service."""
    s = r.settings
    store = NotificationRepository(r.shards)
    mails = NotificationRenderer(public_url=s.public_url, sender=s.mail_from, sender_name=s.mail_from_name)
    envelopes = FieldCipher(decode_key(s.data_key))
    post = SmtpTransport(s)
    feed = InboxBroadcaster(store, most_streams=s.most_streams, most_per_user=s.most_streams_per_user)
    telling = Dispatcher(store, mails, envelopes, r.clock)
    mailer = Mailer(store, envelopes, mails, post, r.clock)
    inbox = ReadInbox(store, feed, r.clock, stream_most_s=s.stream_most_s)
    return ServiceDefinition(
        servicers=(
            NotificationServicer(inbox, r.page_tokens, CallTickets(r.redis), heartbeat_s=s.heartbeat_s),
        ),
        subscriptions=NotificationEventHandlers(UpdateRecipients(store), telling, mailer).subscriptions(),
        background_tasks=(feed.run,),
        on_stop=(feed.close,),
        on_close=(post.close,),
    )


if __name__ == "__main__":
    run_service("notification", NotificationSettings, build_service)
