"""Metrics of this service besides those of every service."""

from typing import Final

from prometheus_client import Counter

from chassis.observability.metrics import LazyHistogram

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

mail_delay_seconds: Final = LazyHistogram(
    "notification_mail_delay_seconds",
    "From the creation of a mail to its acceptance by the mail server.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)


def export_mail_metrics() -> None:
    """Export the metrics of sending as 0: Prometheus sees no increase in a series that begins with 1."""
    mail_delay_seconds.export()
    for outcome in ("SENT", "BOUNCED", "QUEUED", "FAILED"):
        mail_attempts.labels(outcome)
    for form in ("whole", "bare", "generic", "none"):
        mails_composed.labels(form)
