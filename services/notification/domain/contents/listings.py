"""Contents about listings, for their companies."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.notification.domain.contents.content import NotificationCategory, NotificationContent


@dataclass(frozen=True, kw_only=True)
class ListingContent(NotificationContent):
    """Addressed to the company of a listing."""

    category: ClassVar[NotificationCategory] = NotificationCategory.LISTING
    internship_id: str
    internship_title: str

    @property
    def about(self) -> str:
        """The listing's ID."""
        return self.internship_id

    @property
    def path(self) -> str:
        """The listing's page."""
        return f"/app/internships/{self.internship_id}"


@dataclass(frozen=True, kw_only=True)
class ListingPublished(ListingContent):
    """A listing takes applications."""

    template: ClassVar[str] = "listing_published"
    apply_deadline: datetime | None
    deadline_as_meant: str = ""
    """The deadline in the company's time zone, with offset and zone; empty without a deadline."""


@dataclass(frozen=True, kw_only=True)
class ListingExpired(ListingContent):
    """A listing's deadline has passed."""

    template: ClassVar[str] = "listing_expired"


@dataclass(frozen=True, kw_only=True)
class ListingFilled(ListingContent):
    """All openings of a listing are taken."""

    template: ClassVar[str] = "listing_filled"


@dataclass(frozen=True, kw_only=True)
class ListingClosed(ListingContent):
    """A listing was closed."""

    template: ClassVar[str] = "listing_closed"


@dataclass(frozen=True, kw_only=True)
class ListingInReview(ListingContent):
    """A listing waits for a person's approval."""

    template: ClassVar[str] = "listing_in_review"


@dataclass(frozen=True, kw_only=True)
class ListingChangesRequested(ListingContent):
    """A moderator asks for changes of a listing."""

    template: ClassVar[str] = "listing_changes_requested"
    reason: str


@dataclass(frozen=True, kw_only=True)
class ListingRejected(ListingContent):
    """A moderator has refused a listing."""

    template: ClassVar[str] = "listing_rejected"
    reason: str


@dataclass(frozen=True, kw_only=True)
class ListingSuspended(ListingContent):
    """A moderator has taken a listing offline."""

    template: ClassVar[str] = "listing_suspended"
    reason: str


@dataclass(frozen=True, kw_only=True)
class ListingReinstated(ListingContent):
    """A suspended listing is online again."""

    template: ClassVar[str] = "listing_reinstated"
