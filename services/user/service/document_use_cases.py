"""The use cases of documents, made together."""

from dataclasses import dataclass
from typing import Self

from chassis.blobs import BlobStore
from chassis.clock import Clock
from chassis.security.link_tickets import LinkTickets
from services.user.repository import UserRepositories
from services.user.service.hold_documents import HoldDocuments
from services.user.service.manage_documents import ManageDocuments
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.manage_resume_drafts import ManageResumeDrafts
from services.user.service.read_resumes import ReadResumes
from services.user.service.resume_parser import ResumeParser
from services.user.service.scan_documents import ContentCheck, ScanDocuments
from services.user.service.transfer_documents import TransferDocuments


@dataclass(frozen=True)
class DocumentAdapters:
    """The store of contents, what checks and reads them, and tickets in links to them."""

    blobs: BlobStore
    scanner: ContentCheck
    tickets: LinkTickets
    parser: ResumeParser


@dataclass(frozen=True)
class DocumentUseCases:
    """One instance of each use case."""

    managing: ManageDocuments
    transferring: TransferDocuments
    scanning: ScanDocuments
    reading: ReadResumes
    drafts: ManageResumeDrafts
    holding: HoldDocuments

    @classmethod
    def build(
        cls, stored: UserRepositories, adapters: DocumentAdapters, editing: ManageProfiles, clock: Clock
    ) -> Self:
        """Return the use cases on these repositories and adapters."""
        documents, drafts, holds, blobs = stored.documents, stored.drafts, stored.holds, adapters.blobs
        return cls(
            ManageDocuments(documents, clock),
            TransferDocuments(documents, holds, blobs, adapters.tickets, clock),
            ScanDocuments(documents, holds, blobs, adapters.scanner, clock),
            ReadResumes(documents, drafts, blobs, adapters.parser, clock),
            ManageResumeDrafts(documents, drafts, stored.profiles, editing, clock),
            HoldDocuments(holds, clock),
        )
