"""All use cases of the application service, made from what they share."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.erasures import Tombstones
from services.application.domain.model import ApplicationPolicy
from services.application.repository import (
    ApplicantRepository,
    ApplicationLookRepository,
    ApplicationRepository,
    RetentionRuleRepository,
)
from services.application.service.accept_offers import AcceptOffers
from services.application.service.end_with_listing import EndWithListing
from services.application.service.list_applicants import ListApplicants
from services.application.service.make_offers import MakeOffers
from services.application.service.manage_retention import EndRetention, ManageRetention
from services.application.service.move_applications import MoveApplications
from services.application.service.ports import DocumentDirectory, ListingDirectory, StudentDirectory
from services.application.service.read_applications import ReadApplications
from services.application.service.settle_documents import SettleDocuments
from services.application.service.settle_due import SettleDueApplications
from services.application.service.submit_application import SubmitApplication


@dataclass(frozen=True)
class ApplicationUseCases:
    """One instance of each use case."""

    submission: SubmitApplication
    reading: ReadApplications
    moving: MoveApplications
    acceptance: AcceptOffers
    applicants: ListApplicants
    settling: SettleDueApplications
    ending: EndWithListing
    holds: SettleDocuments
    retention: ManageRetention
    ending_retention: EndRetention


def build_use_cases(
    repository: ApplicationRepository,
    applicants: ApplicantRepository,
    looks: ApplicationLookRepository,
    rules: RetentionRuleRepository,
    *,
    listings: ListingDirectory,
    students: StudentDirectory,
    documents: DocumentDirectory,
    tombstones: Tombstones,
    clock: Clock,
    policy: ApplicationPolicy,
) -> ApplicationUseCases:
    """Return the use cases on these repositories and peers."""
    offers = MakeOffers(repository, listings, clock, policy)
    acceptance = AcceptOffers(repository, listings, clock, policy)
    return ApplicationUseCases(
        submission=SubmitApplication(repository, listings, students, documents, clock=clock, policy=policy),
        reading=ReadApplications(repository, looks, documents, clock, policy),
        moving=MoveApplications(repository, looks, offers, clock, policy),
        acceptance=acceptance,
        applicants=ListApplicants(applicants, listings),
        settling=SettleDueApplications(repository, acceptance, offers, clock, policy),
        ending=EndWithListing(repository, applicants, clock, policy),
        holds=SettleDocuments(repository, documents),
        retention=ManageRetention(repository, rules, tombstones, clock),
        ending_retention=EndRetention(repository, rules, documents, clock),
    )
