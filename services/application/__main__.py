"""Start-up of the application service: `python -m services.application serve` or `… work`."""

from chassis.runtime import Periodic, Resources, Room, run
from services.application.api import ApplicationServicer
from services.application.events.incoming import Reactions
from services.application.peers import Listings, Students
from services.application.service import Acceptances, Applicants, Applications, Changes, Offers, Upkeep
from services.application.settings import Settings
from services.application.store import ApplicantStore, ApplicationStore


def build(resources: Resources[Settings]) -> Room:
    """The service on real stores and peers."""
    settings, clock = resources.settings, resources.clock
    listings = Listings(resources.peers.channel("internship"))
    students = Students(resources.peers.channel("user"))
    store, applicant_store = ApplicationStore(resources.shards), ApplicantStore(resources.shards)
    changes = Changes(store, clock, settings.policy())
    offers = Offers(store, changes, listings)
    applications = Applications(store, changes, listings, students, offers)
    acceptances = Acceptances(store, changes, listings)
    applicants = Applicants(applicant_store, listings)
    upkeep = Upkeep(store, applicant_store, changes, acceptances, offers)
    servicer = ApplicationServicer(applications, acceptances, applicants, resources.page_tokens, clock)
    return Room(
        servicers=(servicer,),
        subscriptions=Reactions(applicants, acceptances, upkeep).subscriptions(),
        periodics=(
            Periodic("application-upkeep", settings.upkeep_every_s, upkeep.settle_due),
            Periodic("application-endings", settings.upkeep_every_s, upkeep.go_on_ending),
        ),
    )


if __name__ == "__main__":
    run("application", Settings, build)
