"""Starts the user service: `python -m services.user serve` or `… work`."""

from chassis.runtime import Resources, Room, run
from services.user.api import UserApi
from services.user.events import subscription
from services.user.service import Companies, Profiles
from services.user.settings import Settings
from services.user.store import CompanyStore, ProfileStore


def build(resources: Resources[Settings]) -> Room:
    """The room, in either role."""
    profiles = Profiles(ProfileStore(resources.shards), resources.clock)
    companies = Companies(CompanyStore(resources.shards), resources.cache, resources.clock)
    api = UserApi(
        profiles,
        companies,
        resources.cache,
        resources.page_tokens,
        company_cache_s=resources.settings.company_cache_s,
    )
    return Room(servicers=(api,), subscriptions=(subscription(profiles, companies),))


if __name__ == "__main__":
    run("user", Settings, build)
