"""The inbox and the delivery log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.notification.domain.contents import NotificationCategory

SENDING_LEASE: Final = timedelta(seconds=30)
"""The time after which a claimed mail may be claimed again: longer than any attempt takes."""


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
    refused for good. `attempts` counts from 1 with the first attempt. Until `lease_until` nobody else tries:
    while SENDING it is the end of the present attempt's claim, while QUEUED the time of the next attempt; it
    is None once there is no further one. `form` is the fullest one that read back as it was meant when the
    delivery was made.
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
