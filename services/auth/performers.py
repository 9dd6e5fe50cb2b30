"""Who performs the call that is being answered, as security events name it."""

from typing import Final

from chassis.call_context import current_principal_or_none, is_in_call, request_id
from chassis.security.tokens import SERVICE_KIND
from services.auth.domain.accounts import STAFF_KINDS
from services.auth.domain.security_events import Performer, PerformerKind
from services.auth.visitor import current_visitor

OPERATOR_KIND: Final = "OPERATOR"
"""The kind of caller that an operator's command is, whom no contract admits."""


def current_performer(user_id: str) -> Performer:
    """Return who does something to the account of a user.

    A caller without a token proves by password or code to be its owner.
    """
    caller = current_principal_or_none()
    details = {"area": current_visitor().area, "request_id": request_id()}
    if caller is None:
        return proven_owner(user_id) if is_in_call() else Performer(PerformerKind.SERVICE, "auth", **details)
    if caller.kind == OPERATOR_KIND:
        return Performer(PerformerKind.OPERATOR, caller.id, **details)
    if caller.kind == SERVICE_KIND:
        return Performer(PerformerKind.SERVICE, caller.id, **details)
    if caller.id == user_id:
        return proven_owner(user_id)
    kind = PerformerKind.STAFF if caller.kind in STAFF_KINDS else PerformerKind.MEMBER
    return Performer(kind, caller.id, caller.org, **details)


def proven_owner(user_id: str) -> Performer:
    """Return the owner, whom a password or a code has proven, under whichever token the call came."""
    return Performer(PerformerKind.OWNER, user_id, area=current_visitor().area, request_id=request_id())


def unknown_performer() -> Performer:
    """Return a caller who has not proven who they are."""
    return Performer(PerformerKind.UNKNOWN, area=current_visitor().area, request_id=request_id())


def member_performer(actor_id: str, user_id: str, company_id: str) -> Performer:
    """Return who has changed a membership, as its event names them; "" when it does not."""
    if not actor_id:
        return Performer(PerformerKind.SERVICE, "user", company_id)
    kind = PerformerKind.OWNER if actor_id == user_id else PerformerKind.MEMBER
    return Performer(kind, actor_id, company_id)
