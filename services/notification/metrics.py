"""Metrics of this service besides those of every service."""

from typing import Final

from prometheus_client import Counter

mails_composed: Final = Counter(
    "notification_mails_composed_total",
    "Mails written and read back, once before they are stored and once for each further attempt, by form:"
    " whole; bare (no text of people's in the headers) and generic (none at all) when a second parser read"
    " something else than was meant; none when not even that could be read back.",
    ("form",),
)

mail_attempts: Final = Counter(
    "notification_mail_attempts_total",
    "Attempts to send a mail, by the state that the delivery has then: SENT, BOUNCED, QUEUED, FAILED.",
    ("outcome",),
)
