"""The collections and indexes; every query names the one that it uses."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.mongo.provision import CollectionSpec

APPLICATIONS: Final = "applications"
APPLICANTS: Final = "applicants"
LISTING_ENDINGS: Final = "listing_endings"

ONE_LIVE_APPLICATION_INDEX: Final = "one_live_application"
STUDENT_INDEX: Final = "of_student"
DUE_INDEX: Final = "due"
PENDING_INDEX: Final = "pending"
LISTING_INDEX: Final = "of_listing"
LISTING_STATE_INDEX: Final = "of_listing_by_state"

APPLICATIONS_COLLECTION: Final = CollectionSpec(
    name=APPLICATIONS,
    shard_key="slot",
    indexes=(
        IndexModel(
            [("slot", ASCENDING), ("student_id", ASCENDING), ("internship_id", ASCENDING)],
            name=ONE_LIVE_APPLICATION_INDEX,
            unique=True,
            partialFilterExpression={"live": True},
        ),
        IndexModel([("slot", ASCENDING), ("student_id", ASCENDING), ("_id", DESCENDING)], name=STUDENT_INDEX),
        IndexModel([("due_time", ASCENDING)], name=DUE_INDEX, sparse=True),
    ),
)

COLLECTIONS: Final = (
    APPLICATIONS_COLLECTION,
    # Derived from this service's own events, in the listing's slot.
    CollectionSpec(
        name=APPLICANTS,
        shard_key="slot",
        indexes=(
            IndexModel(
                [("slot", ASCENDING), ("internship_id", ASCENDING), ("_id", DESCENDING)], name=LISTING_INDEX
            ),
            IndexModel(
                [
                    ("slot", ASCENDING),
                    ("internship_id", ASCENDING),
                    ("state", ASCENDING),
                    ("_id", DESCENDING),
                ],
                name=LISTING_STATE_INDEX,
            ),
        ),
    ),
    # The ends of listings, in the listing's slot.
    CollectionSpec(
        name=LISTING_ENDINGS,
        shard_key="slot",
        indexes=(IndexModel([("pending", ASCENDING)], name=PENDING_INDEX, sparse=True),),
    ),
)
