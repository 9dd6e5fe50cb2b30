"""Starts the user service: `python -m services.user serve` or `… work`."""

from chassis.runtime import Periodic, Resources, Room, run
from chassis.search.places import gazetteer
from services.user.api import UserApi
from services.user.events import subscription
from services.user.service import Companies, Profiles, StudentSearch
from services.user.settings import Settings
from services.user.store import CompanyStore, ProfileStore

RENEW_EVERY_S = 15.0
"""How soon entries are made anew that an older version of the service has stored."""


def build(resources: Resources[Settings]) -> Room:
    """The room, in either role."""
    places = gazetteer()
    store = ProfileStore(resources.shards, places)
    profiles, students = Profiles(store, resources.clock), StudentSearch(store, places)
    companies = Companies(CompanyStore(resources.shards), resources.cache, resources.clock)
    api = UserApi(
        profiles,
        students,
        companies,
        resources.cache,
        resources.page_tokens,
        company_cache_s=resources.settings.company_cache_s,
    )
    return Room(
        servicers=(api,),
        subscriptions=(subscription(profiles, companies),),
        periodics=(Periodic("renew-student-search", RENEW_EVERY_S, store.renew),),
        background=(students.keep_fresh,),
    )


if __name__ == "__main__":
    run("user", Settings, build)
