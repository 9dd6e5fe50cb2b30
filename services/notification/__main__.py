"""Starts the notification service: `python -m services.notification serve` or `… work`."""

from chassis.redis.call_tickets import CallTickets
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.sharding.erased_people import ErasedPeople
from services.notification import api, erasures, event_handlers, inbox_broadcaster, personal_data_api
from services.notification.adapters import NotificationAdapters
from services.notification.jobs import jobs
from services.notification.repository import NotificationRepository
from services.notification.service import dispatcher, read_inbox
from services.notification.settings import NotificationSettings


def build_service(resources: ServiceResources[NotificationSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    s, clock, tokens = resources.settings, resources.clock, resources.page_tokens
    repository, ports = NotificationRepository(resources.shards), NotificationAdapters.open(s)
    broadcaster = inbox_broadcaster.InboxBroadcaster(
        repository, max_streams=s.most_streams, max_streams_per_user=s.most_streams_per_user
    )
    tombstones = ErasedPeople(resources.shards)
    mails = ports.mailer(repository, clock, max_attempt_s=s.smtp_timeout_s)
    dispatching = dispatcher.Dispatcher(repository, ports.renderer, ports.cipher, tombstones, clock)
    erasing, late = erasures.build_erasures(resources, repository, tombstones)
    inbox = read_inbox.ReadInbox(repository, broadcaster, clock, max_stream_s=s.stream_most_s)
    return ServiceDefinition(
        (
            api.NotificationServicer(inbox, tokens, CallTickets(resources.redis), heartbeat_s=s.heartbeat_s),
            personal_data_api.build_personal_data_servicer(repository, tokens),
        ),
        subscriptions=event_handlers.all_subscriptions(repository, dispatching, mails, erasing, late),
        periodic_tasks=jobs(mails, erasing),
        background_tasks=(broadcaster.follow_inboxes,),
        on_stop=(broadcaster.close,),
        on_close=(ports.transport.close, mails.close),
    )


if __name__ == "__main__":
    run_service("notification", NotificationSettings, build_service)
