"""Contents about applications, for students and for companies."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.notification.domain.contents.content import NotificationCategory, NotificationContent


@dataclass(frozen=True, kw_only=True)
class _ApplicationContent(NotificationContent):
    category: ClassVar[NotificationCategory] = NotificationCategory.APPLICATION
    application_id: str
    internship_title: str

    @property
    def about(self) -> str:
        """The application's ID."""
        return self.application_id

    @property
    def path(self) -> str:
        """The application's page."""
        return f"/app/applications/{self.application_id}"


@dataclass(frozen=True, kw_only=True)
class StudentApplicationContent(_ApplicationContent):
    """Addressed to the student of an application."""

    company_name: str


@dataclass(frozen=True, kw_only=True)
class ApplicationReceived(StudentApplicationContent):
    """The student applied."""

    template: ClassVar[str] = "application_received"


@dataclass(frozen=True, kw_only=True)
class ApplicationInReview(StudentApplicationContent):
    """The company reads the application."""

    template: ClassVar[str] = "application_in_review"


@dataclass(frozen=True, kw_only=True)
class ApplicationTask(StudentApplicationContent):
    """The company sets a task."""

    template: ClassVar[str] = "application_task"


@dataclass(frozen=True, kw_only=True)
class ApplicationInterview(StudentApplicationContent):
    """The company invites to an interview."""

    template: ClassVar[str] = "application_interview"


@dataclass(frozen=True, kw_only=True)
class ApplicationOffer(StudentApplicationContent):
    """The company makes an offer."""

    template: ClassVar[str] = "application_offer"
    expire_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApplicationHired(StudentApplicationContent):
    """The student accepted and has the place."""

    template: ClassVar[str] = "application_hired"


@dataclass(frozen=True, kw_only=True)
class ApplicationNotSelected(StudentApplicationContent):
    """The rejection, disclosed after its delay."""

    template: ClassVar[str] = "application_not_selected"


@dataclass(frozen=True, kw_only=True)
class ApplicationClosed(StudentApplicationContent):
    """The application ended by itself; `reason` is a sentence for the student."""

    template: ClassVar[str] = "application_closed"
    reason: str


@dataclass(frozen=True, kw_only=True)
class ApplicationChanged(StudentApplicationContent):
    """The application went back to an earlier point; `status` is its name for the student."""

    template: ClassVar[str] = "application_changed"
    status: str


@dataclass(frozen=True, kw_only=True)
class CompanyApplicationContent(_ApplicationContent):
    """Addressed to the company that an application went to."""

    student_name: str


@dataclass(frozen=True, kw_only=True)
class NewApplicant(CompanyApplicationContent):
    """A student applied for a listing."""

    template: ClassVar[str] = "new_applicant"
    student_headline: str


@dataclass(frozen=True, kw_only=True)
class OfferAccepted(CompanyApplicationContent):
    """A student accepted an offer."""

    template: ClassVar[str] = "offer_accepted"


@dataclass(frozen=True, kw_only=True)
class OfferDeclined(CompanyApplicationContent):
    """A student declined an offer."""

    template: ClassVar[str] = "offer_declined"


@dataclass(frozen=True, kw_only=True)
class OfferExpired(CompanyApplicationContent):
    """A student let an offer pass."""

    template: ClassVar[str] = "offer_expired"


@dataclass(frozen=True, kw_only=True)
class HireGivenUp(CompanyApplicationContent):
    """A hired student gave the place up."""

    template: ClassVar[str] = "hire_given_up"


@dataclass(frozen=True, kw_only=True)
class ApplicationWithdrawn(CompanyApplicationContent):
    """A student took an application back."""

    template: ClassVar[str] = "application_withdrawn"
