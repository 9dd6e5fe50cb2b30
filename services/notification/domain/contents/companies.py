"""Contents about companies, for their members."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.notification.domain.contents.content import NotificationCategory, NotificationContent


@dataclass(frozen=True, kw_only=True)
class CompanyContent(NotificationContent):
    """Addressed to members of a company, about the company."""

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


@dataclass(frozen=True, kw_only=True)
class CompanyInvitation(NotificationContent):
    """Somebody is invited to a company. The names are the company's words, to an address of its choice."""

    template: ClassVar[str] = "company_invitation"
    category: ClassVar[NotificationCategory] = NotificationCategory.COMPANY
    in_inbox: ClassVar[bool] = False
    named: ClassVar[bool] = False
    company_name: str
    inviter_name: str
    expire_time: datetime
    invitation_token: str

    @property
    def path(self) -> str:
        """The page of invitations."""
        return "/app/invitation"

    @property
    def fragment(self) -> str:
        """The secret of the invitation."""
        return self.invitation_token


@dataclass(frozen=True, kw_only=True)
class CompanyMemberJoined(CompanyContent):
    """Somebody has accepted an invitation; for the person who invited."""

    template: ClassVar[str] = "company_member_joined"
    category: ClassVar[NotificationCategory] = NotificationCategory.COMPANY
    member_name: str


@dataclass(frozen=True, kw_only=True)
class CompanyMemberRemoved(CompanyContent):
    """The reader is no longer a member."""

    template: ClassVar[str] = "company_member_removed"
    category: ClassVar[NotificationCategory] = NotificationCategory.COMPANY


@dataclass(frozen=True, kw_only=True)
class CompanyOwnershipHandedOver(CompanyContent):
    """An owner has made another member an owner; for both."""

    template: ClassVar[str] = "company_ownership_handed_over"
    category: ClassVar[NotificationCategory] = NotificationCategory.COMPANY
    from_name: str
    to_name: str


@dataclass(frozen=True, kw_only=True)
class _ApiKeyContent(CompanyContent):
    category: ClassVar[NotificationCategory] = NotificationCategory.SECURITY
    api_key_name: str


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(_ApiKeyContent):
    """An owner has made an API key of the company; for its owners."""

    template: ClassVar[str] = "api_key_created"


@dataclass(frozen=True, kw_only=True)
class ApiKeyRevoked(_ApiKeyContent):
    """An owner has revoked an API key of the company; for its owners."""

    template: ClassVar[str] = "api_key_revoked"
