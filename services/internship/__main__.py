"""Starts the internship service: `python -m services.internship serve` or `… work`."""

from datetime import timedelta
from functools import partial

from chassis.readers import Readers
from chassis.runtime import Periodic, Resources, Room, run
from chassis.search.places import gazetteer
from services.internship.api import InternshipApi
from services.internship.companies import UserServiceCompanies
from services.internship.events import Reactions
from services.internship.service import (
    Finding,
    Ledger,
    Lexicon,
    Listings,
    Moderation,
    Openings,
    Reindexing,
    Suggesting,
    Upkeep,
    Views,
    ViewTelling,
)
from services.internship.settings import Settings

RENEW_INDEX_EVERY_S = 15.0
"""How soon entries are made anew that an older version of the service has stored."""


def build(r: Resources[Settings]) -> Room:
    """The room, in either role."""
    ledger = Ledger(r.shards, r.cache, r.clock)
    companies = UserServiceCompanies(r.peers)
    readers = Readers(r.redis, r.clock)
    views, telling = Views(readers, r.settings.views_every_s), ViewTelling(r.shards, readers)
    lexicon, places = Lexicon(r.shards, r.clock), gazetteer()
    openings, upkeep, moderation = Openings(ledger), Upkeep(ledger, companies), Moderation(ledger)
    grace = timedelta(days=r.settings.suspension_grace_days)
    api = InternshipApi(
        listings=Listings(ledger, companies, views, places),
        openings=openings,
        moderation=moderation,
        finding=Finding(r.shards, r.clock, lexicon, places),
        suggesting=Suggesting(lexicon, places),
        tokens=r.page_tokens,
        cache=r.cache,
        clock=r.clock,
    )
    return Room(
        servicers=(api,),
        subscriptions=Reactions(r.shards, r.clock, openings, upkeep, moderation).subscriptions(),
        periodics=(
            Periodic("expire-listings", r.settings.expiry_every_s, upkeep.expire),
            Periodic("tell-views", r.settings.views_every_s, telling.tell),
            Periodic("archive-suspended", 3600.0, partial(moderation.archive_forgotten, grace)),
            Periodic("renew-index", RENEW_INDEX_EVERY_S, Reindexing(r.shards, r.clock).renew),
        ),
        background=(lexicon.keep_fresh, views.keep_telling),
        on_close=(views.flush,),
    )


if __name__ == "__main__":
    run("internship", Settings, build)
