"""The documents of a seeded listing: its own, those of its applications, and the data derived from them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chassis.ids import slot_of
from chassis.mongo.documents import Document, to_document
from devstack.seed.documents import (
    APPLICANTS,
    APPLICATION_TRACKS,
    APPLICATIONS,
    FUNNELS,
    LISTING_ENDINGS,
    LISTINGS,
    OPENING_CLAIMS,
    OVERVIEWS,
    SEARCH_LISTINGS,
    DocumentSet,
)
from devstack.seed.listing_history import ListingHistory
from services.analytics.domain.counting import EventBatch, FigureChange
from services.application.domain.applicants import applicant_row
from services.application.domain.model import Application, ListingEnding
from services.application.domain.retention import first_check_time
from services.internship.domain.model import ListingState
from services.internship.mapping.listings import listing_to_message
from services.internship.mapping.search import index_entry_from_message
from services.internship.repository.search_collection import (
    TOMBSTONE_LIFE,
    entry_document,
    tombstone_document,
)
from services.internship.search.port import Tombstone


@dataclass
class CompanyFigures:
    """The changes of companies' figures by the listings that are seeded, by company."""

    changes: dict[str, FigureChange] = field(default_factory=dict)

    def add(self, others: Mapping[str, FigureChange]) -> None:
        """Add the changes of further listings."""
        for company_id, change in others.items():
            known = self.changes.setdefault(company_id, FigureChange(company_id, change.as_of_time))
            known.add(change.counts, change.as_of_time)

    def documents(self, company_ids: Iterable[str]) -> DocumentSet:
        """Return the figures of these companies, which have none yet."""
        documents = DocumentSet()
        for company_id in company_ids:
            documents.add(OVERVIEWS, _figures_document(company_id, self.changes[company_id]))
        return documents


def add_listing_documents(
    documents: DocumentSet, figures: CompanyFigures, history: ListingHistory, now: datetime
) -> None:
    """Add all documents of a listing, and the changes of its company's figures."""
    listing = history.listing
    slot = slot_of(listing.id)
    documents.add(LISTINGS, to_document(listing, slot=slot))
    documents.add(OPENING_CLAIMS, *(to_document(each, slot=slot) for each in history.claims.values()))
    documents.add(SEARCH_LISTINGS, *_search_documents(history, now))
    if history.ending is not None:
        documents.add(LISTING_ENDINGS, _ending_document(history.ending))
    documents.add(APPLICATIONS, *map(application_document, history.applications.values()))
    batch = add_application_views(documents, history, history.applications)
    documents.add(FUNNELS, *(_figures_document(id_, each) for id_, each in batch.listings.items()))
    figures.add(batch.companies)


def add_application_views(
    documents: DocumentSet, history: ListingHistory, application_ids: Collection[str]
) -> EventBatch:
    """Add what others keep of these applications of a listing: rows of applicants, and tracks.

    Return the counted events of the listing and of all its applications.
    """
    for row in (applicant_row(history.applications[id_]) for id_ in application_ids):
        documents.add(APPLICANTS, to_document(row, slot=slot_of(row.internship_id)))
    batch = EventBatch({}, {})
    batch.count(history.figure_events)
    slot = slot_of(history.listing.id)
    tracks = (each for each in batch.changed_tracks.values() if each.id in application_ids)
    documents.add(APPLICATION_TRACKS, *(to_document(each, slot=slot) for each in tracks))
    return batch


def application_document(application: Application) -> Document:
    """Return the document of an application."""
    document = to_document(application, slot=slot_of(application.id)) | {"live": application.is_live}
    if application.due_time is None:
        # The index of due times is sparse: it holds those only that have one.
        del document["due_time"]
    if (check_time := first_check_time(application)) is not None:
        document["retention_time"] = check_time
    return document


def _search_documents(history: ListingHistory, now: datetime) -> list[Document]:
    """Return the entry of an open listing, or the tombstone of another one while such are kept."""
    listing = history.announced
    if listing.state is ListingState.OPEN:
        entry = index_entry_from_message(listing_to_message(listing, listing.update_time))
        return [entry_document(entry, now)]
    tombstone = Tombstone(id=listing.id, version=listing.version, gone_time=listing.update_time)
    is_kept = listing.update_time + TOMBSTONE_LIFE > now
    return [tombstone_document(tombstone, now)] if is_kept else []


def _ending_document(ending: ListingEnding) -> Document:
    document = to_document(ending, slot=slot_of(ending.id))
    # The index of pending endings is sparse.
    del document["pending"]
    return document


def _figures_document(id_: str, change: FigureChange) -> Document:
    """Return the document that counting all events of a listing or a company makes."""
    document: Document = {
        "_id": id_,
        "as_of_time": change.as_of_time,
        "company_id": change.company_id,
        "slot": slot_of(id_),
    }
    for name, count in sorted(change.counts.items()):
        group, _, part = name.partition(".")
        if count and part:
            document.setdefault(group, {})[part] = count
        elif count:
            document[name] = count
    if change.listing is not None:
        document["listing"] = to_document(change.listing)
    return document
