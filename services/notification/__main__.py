"""Starts the notification service: `python -m services.notification serve` or `… work`."""

from chassis.runtime import Resources, Room, run
from chassis.security.tickets import Tickets
from chassis.settings import key_bytes
from services.notification.api import NotificationApi
from services.notification.events import Reactions
from services.notification.feed import Feed
from services.notification.mailer import Mailer
from services.notification.mails import Mails
from services.notification.post import SmtpPost
from services.notification.sealing import Envelopes
from services.notification.service import Inbox, Recipients, Telling
from services.notification.settings import Settings
from services.notification.store import Store


def build(r: Resources[Settings]) -> Room:
    """Wires the service."""
    s = r.settings
    store = Store(r.shards)
    mails = Mails(public_url=s.public_url, sender=s.mail_from, sender_name=s.mail_from_name)
    envelopes = Envelopes(key_bytes(s.data_key))
    post = SmtpPost(s)
    feed = Feed(store, most_streams=s.most_streams, most_per_user=s.most_streams_per_user)
    telling = Telling(store, mails, envelopes, r.clock)
    mailer = Mailer(store, envelopes, mails, post, r.clock)
    inbox = Inbox(store, feed, r.clock, stream_most_s=s.stream_most_s)
    return Room(
        servicers=(NotificationApi(inbox, r.page_tokens, Tickets(r.redis), heartbeat_s=s.heartbeat_s),),
        subscriptions=Reactions(Recipients(store), telling, mailer).subscriptions(),
        background=(feed.run,),
        on_stop=(feed.close,),
        on_close=(post.close,),
    )


if __name__ == "__main__":
    run("notification", Settings, build)
