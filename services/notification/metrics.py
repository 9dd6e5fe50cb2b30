"""Metrics of this service besides those of every service."""

from typing import Final

from prometheus_client import Counter

mails_composed: Final = Counter(
    "notification_mails_composed_total",
    "Mails written, by form: whole; bare (no text of people's in the headers) and generic (none at all) when"
    " a second parser read something else than was meant; none when not even that could be read back.",
    ("form",),
)

mails_checked: Final = Counter(
    "notification_mails_checked_total",
    "Mails that were written and read back before they were queued, by the form that they then take, as in"
    " notification_mails_composed_total; none when the mail was given up there.",
    ("form",),
)
