"""Openings: taken by applications, freed when a hire comes to nothing, each exactly once.

Takes come as calls, releases as events, so they may overtake each other. Each application's claim keeps the
version of the application that it rests on: whatever rests on an older one came too late and changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from chassis.errors import DomainError, failed

from .model import SYSTEM, Listing, State
from .transitions import can_move, move, settle

HIRING = frozenset({State.OPEN, State.PAUSED, State.FILLED, State.EXPIRED, State.CLOSED})
"""Closing, pausing and expiry stop intake only: those who applied before may still be hired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the listing knows of one application; `id` is the application's.

    `application_version` is the latest version known of it, 0 when it was never told.
    """

    id: str
    internship_id: str
    application_version: int
    taken: bool
    update_time: datetime


def take(
    listing: Listing, claim: Claim | None, application_id: str, application_version: int, now: datetime
) -> tuple[Listing, Claim]:
    """Takes one opening for the application; the last one makes an open listing FILLED.

    Taking again changes nothing. Raises NO_OPENING_LEFT, and UNEXPECTED_STATE when the opening was freed by a
    later version of the application than the one that asks.
    """
    known = claim.application_version if claim is not None else 0
    if claim is not None and not claim.taken and 0 < application_version <= known:
        raise _outdated(application_id)
    taken = Claim(
        id=application_id,
        internship_id=listing.id,
        application_version=max(known, application_version),
        taken=True,
        update_time=now,
    )
    if claim is not None and claim.taken:
        return listing, replace(taken, update_time=claim.update_time)
    if listing.full or listing.state not in HIRING:
        raise failed("NO_OPENING_LEFT", "All openings of this listing are taken, or it has ended.")
    counted = replace(listing, hires=listing.hires + 1, version=listing.version + 1, update_time=now)
    return (settle(counted, now) if counted.full else counted), taken


def release(listing: Listing, claim: Claim, application_version: int, now: datetime) -> tuple[Listing, Claim]:
    """Frees the opening of an application that is not hired at `application_version`.

    A filled listing is open again if its deadline is still ahead. Changes nothing for a version that the
    claim knows already.
    """
    if application_version <= claim.application_version:
        return listing, claim
    freed = replace(claim, application_version=application_version, taken=False, update_time=now)
    if not claim.taken:
        return listing, freed
    counted = replace(listing, hires=listing.hires - 1, version=listing.version + 1, update_time=now)
    if can_move(counted, State.OPEN, SYSTEM, now):
        return move(counted, State.OPEN, SYSTEM, now), freed
    return counted, freed


def _outdated(application_id: str) -> DomainError:
    return DomainError(
        "UNEXPECTED_STATE",
        f"The application {application_id} has moved on since; read it again.",
        resource=("application", application_id),
    )
