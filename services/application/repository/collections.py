"""The collections and indexes; every query names the one that it uses."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.mongo.provision import CollectionSpec
from chassis.sharding.erased_people import ERASED_PEOPLE_COLLECTION

APPLICATIONS: Final = "applications"
APPLICANTS: Final = "applicants"
LISTING_ENDINGS: Final = "listing_endings"
APPLICATION_LOOKS: Final = "application_looks"

MAX_LOOK_AGE_S: Final = 2 * 24 * 60 * 60
"""A look is kept beyond the end of its day, in which no other one counts."""

ONE_LIVE_APPLICATION_INDEX: Final = "one_live_application"
STUDENT_INDEX: Final = "of_student"
DUE_INDEX: Final = "due"
RETENTION_INDEX: Final = "retention"
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
        IndexModel([("retention_time", ASCENDING)], name=RETENTION_INDEX, sparse=True),
    ),
)
# Companies' rules for keeping applications, in the company's slot.
RETENTION_RULES: Final = CollectionSpec("retention_rules", shard_key="slot")

COLLECTIONS: Final = (
    APPLICATIONS_COLLECTION,
    RETENTION_RULES,
    ERASED_PEOPLE_COLLECTION,
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
    # Looks of companies' members at applications, in the application's slot.
    CollectionSpec(
        name=APPLICATION_LOOKS,
        shard_key="slot",
        indexes=(IndexModel([("time", ASCENDING)], name="expiry", expireAfterSeconds=MAX_LOOK_AGE_S),),
    ),
)
