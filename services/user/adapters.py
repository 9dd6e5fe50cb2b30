"""What the user service uses outside of its database, as its settings say."""

from dataclasses import dataclass
from typing import Self

from chassis.blobs import open_blob_store
from chassis.cache import Cache
from chassis.security.data_keys import DataKeys
from chassis.security.link_tickets import LinkTickets
from services.user.dns_texts import open_dns_reader
from services.user.known_domains import shared_known_domains
from services.user.resumes.sandbox import SandboxedResumeParser
from services.user.scanners import build_scanner
from services.user.service.document_use_cases import DocumentAdapters
from services.user.service.verify_company import VerificationAdapters
from services.user.settings import UserSettings


@dataclass(frozen=True)
class UserAdapters:
    """What documents, and proofs of companies' domains, need."""

    documents: DocumentAdapters
    verification: VerificationAdapters

    @classmethod
    def open(cls, settings: UserSettings, cache: Cache) -> Self:
        """Return the adapters; none connects, or starts a process, before it is used.

        The readers of résumés end with the thread that starts them, so that is the main one, of the worker's
        event loop; they need the table of places, which the service makes before.
        """
        documents = DocumentAdapters(
            open_blob_store(settings),
            build_scanner(settings.clamd),
            LinkTickets(DataKeys.from_settings(settings)),
            SandboxedResumeParser(),
        )
        records = open_dns_reader(settings.dns_servers)
        return cls(documents, VerificationAdapters(shared_known_domains(), records, cache))
