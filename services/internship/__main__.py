"""Starts the internship service: `python -m services.internship serve` or `… work`."""

from chassis.runtime import Periodic, Resources, Room, run
from services.internship.api import InternshipApi
from services.internship.companies import UserServiceCompanies
from services.internship.events import Reactions
from services.internship.service import Finding, Ledger, Lexicon, Listings, Openings, Upkeep, Views
from services.internship.settings import Settings


def build(r: Resources[Settings]) -> Room:
    """The room, in either role."""
    ledger = Ledger(r.shards, r.cache, r.clock)
    companies = UserServiceCompanies(r.peers)
    views = Views(r.shards, r.settings.views_every_s)
    lexicon = Lexicon(r.shards, r.clock)
    openings, upkeep = Openings(ledger), Upkeep(ledger, companies)
    api = InternshipApi(
        listings=Listings(ledger, companies, views),
        openings=openings,
        finding=Finding(r.shards, r.clock, lexicon),
        tokens=r.page_tokens,
        cache=r.cache,
        clock=r.clock,
    )
    return Room(
        servicers=(api,),
        subscriptions=Reactions(r.shards, r.clock, openings, upkeep).subscriptions(),
        periodics=(Periodic("expire-listings", r.settings.expiry_every_s, upkeep.expire),),
        background=(lexicon.keep_fresh, views.keep_telling),
        on_close=(views.flush,),
    )


if __name__ == "__main__":
    run("internship", Settings, build)
