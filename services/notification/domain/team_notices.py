"""The notices of companies' people: invitations, members who join or are removed, another owner, API keys."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.notification.domain.contents import (
    ApiKeyCreated,
    ApiKeyRevoked,
    CompanyInvitation,
    CompanyMemberJoined,
    CompanyMemberRemoved,
    CompanyOwnershipHandedOver,
)
from services.notification.domain.notices import Notice, Notices, ToAddress, ToUser

_LINK_IN_NAME: Final = re.compile(r"://|www\.|@|\w\.\w{2,}/", re.IGNORECASE)
"""What mail programs make links of, and no name needs. The names in an invitation are the words of people who
may send it to any address."""


@dataclass(frozen=True, kw_only=True)
class InvitationFacts:
    """The facts of an invitation; `invitation_token` is the secret of its link."""

    invitation_id: str
    company_name: str
    inviter_name: str
    email: str
    invitation_token: str
    expire_time: datetime
    locale: str = ""


@dataclass(frozen=True, kw_only=True)
class MembershipFacts:
    """The facts of a membership that changed; `change` by its contract name, without prefix.

    `actor_id` is empty when a person joins whose inviter is no longer a member.
    """

    company_id: str
    company_name: str
    user_id: str
    member_name: str
    change: str
    actor_id: str


@dataclass(frozen=True, kw_only=True)
class OwnershipFacts:
    """The facts of an ownership that was handed over."""

    company_id: str
    company_name: str
    from_user_id: str
    from_name: str
    to_user_id: str
    to_name: str


@dataclass(frozen=True, kw_only=True)
class ApiKeyFacts:
    """The facts of an API key that was made or revoked, as `change` says by its contract name."""

    company_id: str
    company_name: str
    api_key_name: str
    change: str
    owner_ids: tuple[str, ...]


def invitation_notices(facts: InvitationFacts) -> Notices:
    """Return the mail to the invited address; its recipient is the invitation, as there may be no account."""
    content = CompanyInvitation(
        company_name=_without_links(facts.company_name),
        inviter_name=_without_links(facts.inviter_name),
        expire_time=facts.expire_time,
        invitation_token=facts.invitation_token,
    )
    return (Notice(ToAddress(facts.invitation_id, facts.email, facts.locale), content),)


def membership_notices(facts: MembershipFacts) -> Notices:
    """Return the notice to the person who invited a new member, or to the member who was removed."""
    match facts.change:
        case "JOINED" if facts.actor_id:
            joined = CompanyMemberJoined(
                company_id=facts.company_id,
                company_name=facts.company_name,
                member_name=facts.member_name,
            )
            return (Notice(ToUser(facts.actor_id), joined),)
        case "REMOVED" if facts.actor_id != facts.user_id:
            removed = CompanyMemberRemoved(company_id=facts.company_id, company_name=facts.company_name)
            return (Notice(ToUser(facts.user_id), removed),)
        case _:
            return ()


def ownership_notices(facts: OwnershipFacts) -> Notices:
    """Return the notices to the new owner and to the former one."""
    content = CompanyOwnershipHandedOver(
        company_id=facts.company_id,
        company_name=facts.company_name,
        from_name=facts.from_name,
        to_name=facts.to_name,
    )
    return tuple(Notice(ToUser(user_id), content) for user_id in (facts.to_user_id, facts.from_user_id))


def api_key_notices(facts: ApiKeyFacts) -> Notices:
    """Return the notices to the company's owners; none of a change that is not known here."""
    kinds = {"CREATED": ApiKeyCreated, "REVOKED": ApiKeyRevoked}
    if facts.change not in kinds:
        return ()
    content = kinds[facts.change](
        company_id=facts.company_id, company_name=facts.company_name, api_key_name=facts.api_key_name
    )
    return tuple(Notice(ToUser(user_id), content) for user_id in facts.owner_ids)


def _without_links(name: str) -> str:
    return "" if _LINK_IN_NAME.search(name) else name
