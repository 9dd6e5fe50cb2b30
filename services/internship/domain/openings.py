"""Openings: taken by applications and released when a hire is undone, each exactly once.

Openings are taken by calls and released by events, so either may overtake the other. Each application's claim
keeps the version of the application that it is based on: a call or event of an older version is too late and
changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from chassis.errors import DomainError, domain_error
from services.internship.domain.model import SYSTEM_ACTOR, Listing, ListingState
from services.internship.domain.transitions import can_move, move_listing, settle_listing

HIRABLE_STATES = frozenset(
    {ListingState.OPEN, ListingState.PAUSED, ListingState.FILLED, ListingState.EXPIRED, ListingState.CLOSED}
)
"""Closing, pausing and expiry stop the intake only: earlier applicants may still be hired."""


OFFERABLE_STATES = frozenset({ListingState.OPEN, ListingState.PAUSED, ListingState.EXPIRED})
"""States of a listing whose applicants may get offers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningClaim:
    """A listing's record of one application; `id` is the application's.

    An opening is reserved for it while an offer stands (`offered`) or is `taken` by a hire, never both.
    `application_version` is the latest version known of it, 0 when none is known.
    """

    id: str
    internship_id: str
    application_version: int
    taken: bool
    offered: bool = False
    update_time: datetime


def reserve_opening(
    listing: Listing, claim: OpeningClaim | None, application_id: str, application_version: int, now: datetime
) -> tuple[Listing, OpeningClaim]:
    """Reserve one opening for an offer that is about to be made: SENT and ACCEPTED are at most the openings.

    A repeat changes nothing. Raises NO_OPENING_LEFT, and UNEXPECTED_STATE when a later version of the
    application than the one that asks has released the opening.
    """
    known = _known_version(claim, application_id, application_version)
    if claim is not None and (claim.taken or claim.offered):
        return listing, replace(claim, application_version=max(known, application_version))
    if listing.state not in OFFERABLE_STATES:
        raise domain_error(
            "NO_OPENING_LEFT", f"The listing is {listing.state}, so no more offers can be made."
        )
    if listing.taken_or_offered >= listing.posting.openings:
        raise domain_error(
            "NO_OPENING_LEFT",
            f"Of {listing.posting.openings} openings {listing.hires} are taken and {listing.offers} offered: "
            "move the applicant to WAITLISTED, or add an opening.",
        )
    kept = _new_claim(listing, application_id, max(known, application_version), now, offered=True)
    return _with_counts(listing, now, offers=1), kept


def take_opening(
    listing: Listing, claim: OpeningClaim | None, application_id: str, application_version: int, now: datetime
) -> tuple[Listing, OpeningClaim]:
    """Take one opening for the application: the reserved one if there is one.

    The last one makes an open listing FILLED. A repeat changes nothing. Raises NO_OPENING_LEFT, and
    UNEXPECTED_STATE when a later version of the application than the one that asks has released the opening.
    """
    known = _known_version(claim, application_id, application_version)
    taken = _new_claim(listing, application_id, max(known, application_version), now, taken=True)
    if claim is not None and claim.taken:
        return listing, replace(taken, update_time=claim.update_time)
    was_offered = claim is not None and claim.offered
    if listing.state not in HIRABLE_STATES or not (
        was_offered or listing.taken_or_offered < listing.posting.openings
    ):
        raise domain_error("NO_OPENING_LEFT", "All openings of this listing are taken, or it has ended.")
    counted = _with_counts(listing, now, hires=1, offers=-1 if was_offered else 0)
    return (settle_listing(counted, now) if counted.is_full else counted), taken


def follow_application(
    listing: Listing, claim: OpeningClaim, application_version: int, now: datetime, *, offered: bool = False
) -> tuple[Listing, OpeningClaim]:
    """Release the opening of an application that is not hired at `application_version`.

    While it is `offered` the opening stays reserved, also when a hire returns to the offer. A filled listing
    is open again if its deadline is still ahead. Changes nothing for a version that the claim knows already.
    """
    if application_version <= claim.application_version:
        return listing, claim
    kept = offered and (claim.taken or claim.offered)
    after = replace(
        claim, application_version=application_version, taken=False, offered=kept, update_time=now
    )
    change = (-int(claim.taken), int(kept) - int(claim.offered))
    if change == (0, 0):
        return listing, after
    counted = _with_counts(listing, now, hires=change[0], offers=change[1])
    if claim.taken and can_move(counted, ListingState.OPEN, SYSTEM_ACTOR, now):
        return move_listing(counted, ListingState.OPEN, SYSTEM_ACTOR, now), after
    return counted, after


def release_opening(
    listing: Listing, claim: OpeningClaim, application_version: int, now: datetime
) -> tuple[Listing, OpeningClaim]:
    """Release the opening of an application that is neither hired nor offered; see `follow_application`."""
    return follow_application(listing, claim, application_version, now)


def _known_version(claim: OpeningClaim | None, application_id: str, application_version: int) -> int:
    known = claim.application_version if claim is not None else 0
    is_free = claim is not None and not claim.taken and not claim.offered
    if is_free and 0 < application_version <= known:
        raise _outdated_error(application_id)
    return known


def _new_claim(
    listing: Listing,
    application_id: str,
    version: int,
    now: datetime,
    *,
    taken: bool = False,
    offered: bool = False,
) -> OpeningClaim:
    return OpeningClaim(
        id=application_id,
        internship_id=listing.id,
        application_version=version,
        taken=taken,
        offered=offered,
        update_time=now,
    )


def _with_counts(listing: Listing, now: datetime, *, hires: int = 0, offers: int = 0) -> Listing:
    return replace(
        listing,
        hires=listing.hires + hires,
        offers=listing.offers + offers,
        version=listing.version + 1,
        update_time=now,
    )


def _outdated_error(application_id: str) -> DomainError:
    return DomainError(
        "UNEXPECTED_STATE",
        f"The application {application_id} has moved on since; read it again.",
        resource=("application", application_id),
    )
