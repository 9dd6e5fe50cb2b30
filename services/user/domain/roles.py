"""Roles of a company's members, and what each may do among the company's people: one table.

Listings and applications have rights of their own, in the contracts of their services.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class MemberRole(StrEnum):
    OWNER = "OWNER"
    RECRUITER = "RECRUITER"
    HIRING_MANAGER = "HIRING_MANAGER"
    VIEWER = "VIEWER"


class TeamAction(StrEnum):
    """An action on a company's team. Everybody may end their own membership, the last owner excepted."""

    SEE_MEMBERS = "SEE_MEMBERS"
    LEAVE = "LEAVE"
    MANAGE_MEMBERS = "MANAGE_MEMBERS"
    MANAGE_INVITATIONS = "MANAGE_INVITATIONS"
    VERIFY_COMPANY = "VERIFY_COMPANY"


_EVERYBODY: Final = frozenset(MemberRole)
_OWNERS: Final = frozenset({MemberRole.OWNER})

TEAM_RIGHTS: Final[Mapping[TeamAction, frozenset[MemberRole]]] = {
    TeamAction.SEE_MEMBERS: _EVERYBODY,
    TeamAction.LEAVE: _EVERYBODY,
    TeamAction.MANAGE_MEMBERS: _OWNERS,
    TeamAction.MANAGE_INVITATIONS: _OWNERS,
    TeamAction.VERIFY_COMPANY: _OWNERS,
}
