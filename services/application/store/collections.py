"""The collections and indexes; every query names the one that it uses."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.mongo.provision import CollectionSpec

APPLICATIONS: Final = "applications"
APPLICANTS: Final = "applicants"
LISTING_ENDINGS: Final = "listing_endings"

ONE_LIVE_APPLICATION: Final = "one_live_application"
OF_STUDENT: Final = "of_student"
DUE: Final = "due"
PENDING: Final = "pending"
OF_LISTING: Final = "of_listing"
OF_LISTING_BY_STATE: Final = "of_listing_by_state"

COLLECTIONS: Final = (
    CollectionSpec(
        name=APPLICATIONS,
        shard_key="slot",
        indexes=(
            IndexModel(
                [("slot", ASCENDING), ("student_id", ASCENDING), ("internship_id", ASCENDING)],
                name=ONE_LIVE_APPLICATION,
                unique=True,
                partialFilterExpression={"live": True},
            ),
            IndexModel(
                [("slot", ASCENDING), ("student_id", ASCENDING), ("_id", DESCENDING)], name=OF_STUDENT
            ),
            IndexModel([("due_time", ASCENDING)], name=DUE, sparse=True),
        ),
    ),
    # Derived from this service's own events, in the listing's slot.
    CollectionSpec(
        name=APPLICANTS,
        shard_key="slot",
        indexes=(
            IndexModel(
                [("slot", ASCENDING), ("internship_id", ASCENDING), ("_id", DESCENDING)], name=OF_LISTING
            ),
            IndexModel(
                [
                    ("slot", ASCENDING),
                    ("internship_id", ASCENDING),
                    ("state", ASCENDING),
                    ("_id", DESCENDING),
                ],
                name=OF_LISTING_BY_STATE,
            ),
        ),
    ),
    # How listings have ended, in the listing's slot.
    CollectionSpec(
        name=LISTING_ENDINGS,
        shard_key="slot",
        indexes=(IndexModel([("pending", ASCENDING)], name=PENDING, sparse=True),),
    ),
)
