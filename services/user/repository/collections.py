"""The collections and indexes; every query names the one that it uses."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.mongo.provision import CollectionSpec
from chassis.sharding.erased_people import ERASED_PEOPLE_COLLECTION

SCATTERS: Final = (
    "ProfileRepository.search",
    "ProfileRepository.estimate_total",
    "ProfileRepository.count_words",
    "ProfileRepository.upgrade_outdated_entries",
    "CompanyRepository.list_in_state",
    "DocumentRepository.list_waiting_for_scan",
    "DocumentHoldRepository.list_unsettled",
    "DataExportRepository.list_due",
    "ErasedPeople.list_due",
)
"""The queries that go to all shards."""

SEARCH_TIMEOUT_S: Final = 1.5
LIST_TIMEOUT_S: Final = 4.0

FORMAT_INDEX: Final = "by_format"
PENDING_SCAN_INDEX: Final = "by_pending_scan"
HELD_CONTENT_INDEX: Final = "of_content"
UNSETTLED_HOLD_INDEX: Final = "unsettled"
DUE_EXPORT_INDEX: Final = "by_due_time"
CONSENTS_OF_PURPOSE_INDEX: Final = "of_purpose"
ONE_ENTRY_A_DAY_INDEX: Final = "one_entry_a_day"
ACCESSES_OF_STUDENT_INDEX: Final = "of_student"
ACCESS_KEY: Final = ("slot", "student_id", "company_id", "kind", "application_id", "day")
"""The fields of which an access log has one entry."""


def _search_index(name: str, *keys: str) -> IndexModel:
    return IndexModel([*((key, ASCENDING) for key in keys), ("_id", DESCENDING)], name=name)


PROFILES: Final = CollectionSpec("profiles")
COMPANIES: Final = CollectionSpec(
    "companies", indexes=(IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="by_state"),)
)
STUDENT_SEARCH: Final = CollectionSpec(
    "student_search",
    indexes=(
        _search_index("by_word", "words"),
        _search_index("by_skill", "skill_keys"),
        _search_index("by_city", "city_key"),
        _search_index("by_country", "country"),
        _search_index("by_school", "school_words"),
        _search_index("by_field", "field_terms"),
        _search_index("by_graduation", "graduation_last"),
        _search_index(FORMAT_INDEX, "format"),
    ),
)
STUDENT_DOCUMENTS: Final = CollectionSpec(
    "student_documents",
    indexes=(
        IndexModel(
            [("scan_pending_since", ASCENDING)],
            name=PENDING_SCAN_INDEX,
            partialFilterExpression={"scan_pending_since": {"$type": "date"}},
        ),
    ),
)
PROFILE_ACCESSES: Final = CollectionSpec(
    "profile_accesses",
    shard_key="slot",
    indexes=(
        IndexModel([(key, ASCENDING) for key in ACCESS_KEY], name=ONE_ENTRY_A_DAY_INDEX, unique=True),
        IndexModel(
            [("slot", ASCENDING), ("student_id", ASCENDING), ("_id", DESCENDING)],
            name=ACCESSES_OF_STUDENT_INDEX,
        ),
    ),
)
TEAMS: Final = CollectionSpec("company_teams")
RESUME_DRAFTS: Final = CollectionSpec("resume_drafts")
DOCUMENT_HOLDS: Final = CollectionSpec(
    "document_holds",
    shard_key="slot",
    indexes=(
        IndexModel([("slot", ASCENDING), ("versions.blob_key", ASCENDING)], name=HELD_CONTENT_INDEX),
        IndexModel(
            [("unsettled_since", ASCENDING)],
            name=UNSETTLED_HOLD_INDEX,
            partialFilterExpression={"unsettled_since": {"$type": "date"}},
        ),
    ),
)
DATA_EXPORTS: Final = CollectionSpec(
    "data_exports",
    indexes=(
        IndexModel(
            [("due_time", ASCENDING)],
            name=DUE_EXPORT_INDEX,
            partialFilterExpression={"due_time": {"$type": "date"}},
        ),
    ),
)
CONSENT_ENTRIES: Final = CollectionSpec(
    "consent_entries",
    shard_key="slot",
    indexes=(
        IndexModel(
            [(key, ASCENDING) for key in ("slot", "user_id", "purpose", "number")],
            name=CONSENTS_OF_PURPOSE_INDEX,
            unique=True,
        ),
    ),
)

COLLECTIONS: Final = (
    PROFILES,
    COMPANIES,
    STUDENT_SEARCH,
    STUDENT_DOCUMENTS,
    PROFILE_ACCESSES,
    TEAMS,
    RESUME_DRAFTS,
    DOCUMENT_HOLDS,
    DATA_EXPORTS,
    CONSENT_ENTRIES,
    ERASED_PEOPLE_COLLECTION,
)
