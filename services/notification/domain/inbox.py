"""The inbox and the delivery log."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.notification.domain.contents import NotificationCategory


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One entry of an inbox; `about` is the ID of an application or a listing, or empty."""

    id: str
    recipient_id: str
    category: NotificationCategory
    template: str
    title: str
    body: str
    about: str
    create_time: datetime
    read: bool = False


class MailForm(StrEnum):
    """How much of what people typed a mail holds: all; nothing in its headers; nothing at all."""

    WHOLE = "whole"
    BARE = "bare"
    GENERIC = "generic"


class MailDeliveryState(StrEnum):
    """The state of a mail. BOUNCED: refused for good by the recipient's server. FAILED: given up."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    BOUNCED = "BOUNCED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class MailDelivery:
    """One mail in delivery; it shares the ID of its notification.

    `sealed` holds address and variables, encrypted; it is deleted as soon as the mail has been accepted or
    refused for good. `attempts` counts from 1 with the first attempt. `form` is the fullest one that
    read back as it was meant when the delivery was made.
    """

    id: str
    recipient_id: str
    template: str
    version: int
    create_time: datetime
    state: MailDeliveryState = MailDeliveryState.QUEUED
    form: MailForm = MailForm.WHOLE
    sealed: bytes | None = None
    attempts: int = 0
    lease_until: datetime | None = None
    sent_time: datetime | None = None
    error: str = ""


InboxPosition = tuple[datetime, str]
"""The position of an entry in its inbox: its creation time, and its ID."""


@dataclass(frozen=True)
class OutgoingNotification:
    """The mail to one recipient of one event, usually with an inbox entry of the same ID."""

    delivery: MailDelivery
    notification: Notification | None


@dataclass(frozen=True, slots=True)
class MailWasRequested:
    """A notification with a mail to send was stored."""

    notification_id: str
    recipient_id: str
