"""The contents of notifications: one class a template, whose fields are the template's typed variables.

The files of a template are in `templates/<template>/v<version>/`: `subject.txt` (also the title of the inbox
entry), `inbox.txt` (its text), `body.txt` and `body.html`. A change of the fields is a new version: waiting
mails are rendered by the version that they were written for.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final


class NotificationCategory(StrEnum):
    """The subject area of a notification."""

    SECURITY = "SECURITY"
    APPLICATION = "APPLICATION"
    LISTING = "LISTING"


@dataclass(frozen=True, kw_only=True)
class NotificationContent:
    """The content of a notification; subclasses name the template and hold its variables."""

    template: ClassVar[str]
    version: ClassVar[int] = 1
    category: ClassVar[NotificationCategory]
    in_inbox: ClassVar[bool] = True
    named: ClassVar[bool] = True
    """Whether the mail addresses its reader by name.

    Never where another person may have typed both the name and the address: the mail would carry that
    person's words to any address.
    """

    @property
    def about(self) -> str:
        """The ID of the notification's subject; empty when that is the account itself."""
        return ""

    @property
    def path(self) -> str:
        """The path of its link under the public address: a page of `gateway/pages`."""
        return "/app/login"


@dataclass(frozen=True, kw_only=True)
class _SecurityContent(NotificationContent):
    category: ClassVar[NotificationCategory] = NotificationCategory.SECURITY


@dataclass(frozen=True, kw_only=True)
class VerificationCode(_SecurityContent):
    """The code that verifies an address. It is never stored in the inbox."""

    template: ClassVar[str] = "verification_code"
    in_inbox: ClassVar[bool] = False
    named: ClassVar[bool] = False
    code: str
    expire_time: datetime

    @property
    def path(self) -> str:
        """The page where the code is typed."""
        return "/app/verify-email"


@dataclass(frozen=True, kw_only=True)
class RegistrationRepeated(_SecurityContent):
    """Somebody tried to register with this address."""

    template: ClassVar[str] = "registration_repeated"
    named: ClassVar[bool] = False

    @property
    def path(self) -> str:
        """The page for signing in."""
        return "/app/login"


@dataclass(frozen=True, kw_only=True)
class SessionCompromised(_SecurityContent):
    """A session was ended because its token was used twice."""

    template: ClassVar[str] = "session_compromised"

    @property
    def path(self) -> str:
        """The page for signing in."""
        return "/app/login"


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


@dataclass(frozen=True, kw_only=True)
class CompanyContent(NotificationContent):
    """Addressed to the members of a company, about the company."""

    category: ClassVar[NotificationCategory] = NotificationCategory.LISTING
    company_id: str
    company_name: str

    @property
    def about(self) -> str:
        """The company's ID."""
        return self.company_id

    @property
    def path(self) -> str:
        """The company's page."""
        return f"/app/companies/{self.company_id}"


@dataclass(frozen=True, kw_only=True)
class CompanyVerified(CompanyContent):
    """The company publishes at once and finds students from now on."""

    template: ClassVar[str] = "company_verified"


@dataclass(frozen=True, kw_only=True)
class CompanyNotVerified(CompanyContent):
    """A moderator could not verify the company."""

    template: ClassVar[str] = "company_not_verified"
    reason: str


@dataclass(frozen=True, kw_only=True)
class CompanySuspended(CompanyContent):
    """A moderator has suspended the company."""

    template: ClassVar[str] = "company_suspended"
    reason: str


NOTIFICATION_CONTENTS: Final[tuple[type[NotificationContent], ...]] = (
    VerificationCode,
    RegistrationRepeated,
    SessionCompromised,
    ApplicationReceived,
    ApplicationInReview,
    ApplicationTask,
    ApplicationInterview,
    ApplicationOffer,
    ApplicationHired,
    ApplicationNotSelected,
    ApplicationClosed,
    ApplicationChanged,
    NewApplicant,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    HireGivenUp,
    ApplicationWithdrawn,
    ListingPublished,
    ListingExpired,
    ListingFilled,
    ListingClosed,
    ListingInReview,
    ListingChangesRequested,
    ListingRejected,
    ListingSuspended,
    ListingReinstated,
    CompanyVerified,
    CompanyNotVerified,
    CompanySuspended,
)
"""Every content of every version that may still wait to be sent."""
