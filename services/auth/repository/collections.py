"""The collections of the auth service.

An account, its sessions and its security events are in the user's slot, a directory entry in the slot of
the address's hash, or of the identity's, what concerns a company in the company's, all signing keys and
the key of the security events in slot 0.
"""

from typing import Final

from pymongo import ASCENDING, IndexModel

from chassis.mongo.provision import CollectionSpec
from chassis.sharding.erased_people import ERASED_PEOPLE_COLLECTION

HAS_AUTHENTICATOR: Final = {"authenticator": {"$type": "object"}}
SEALED_WITH_INDEX: Final = "sealed_with"
DUE_DELETIONS_INDEX: Final = "due_deletions"
RUNNING_ERASURES_INDEX: Final = "running_erasures"
IS_ERASING: Final = {"deletion.state": "RUNNING"}
ACCOUNTS_COLLECTION: Final = CollectionSpec(
    "accounts",
    shard_key="_id",
    indexes=(
        IndexModel(
            [("authenticator.sealed_with", ASCENDING)],
            name=SEALED_WITH_INDEX,
            partialFilterExpression=HAS_AUTHENTICATOR,
        ),
        IndexModel(
            [("deletion.due_time", ASCENDING)],
            name=DUE_DELETIONS_INDEX,
            partialFilterExpression={"deletion.due_time": {"$type": "date"}},
        ),
        IndexModel(
            [("deletion.erase_time", ASCENDING)],
            name=RUNNING_ERASURES_INDEX,
            partialFilterExpression=IS_ERASING,
        ),
    ),
)
SESSIONS_COLLECTION: Final = CollectionSpec(
    "sessions",
    shard_key="slot",
    indexes=(
        IndexModel([("user_id", ASCENDING), ("credential", ASCENDING)], name="user_credential"),
        IndexModel([("expire_time", ASCENDING)], name="expiry", expireAfterSeconds=0),
    ),
)
IDENTITY_DIRECTORY_COLLECTION: Final = CollectionSpec("identity_directory", shard_key="_id")
COMPANY_PLANS_COLLECTION: Final = CollectionSpec("company_plans", shard_key="_id")
COMPANY_MEMBERS_COLLECTION: Final = CollectionSpec(
    "company_members",
    shard_key="slot",
    indexes=(IndexModel([("company_id", ASCENDING)], name="company"),),
)
API_KEYS_COLLECTION: Final = CollectionSpec(
    "company_api_keys",
    shard_key="slot",
    indexes=(IndexModel([("keys.id", ASCENDING)], name="key"),),
)
SECURITY_EVENTS_COLLECTION: Final = CollectionSpec(
    "security_events",
    shard_key="slot",
    indexes=(IndexModel([("user_id", ASCENDING), ("number", ASCENDING)], name="chain"),),
)
SECURITY_CHAINS_COLLECTION: Final = CollectionSpec("security_chains", shard_key="_id")
SEALED_KEYS_COLLECTION: Final = CollectionSpec("sealed_keys", shard_key="_id", sharded=False)
COLLECTIONS: Final = (
    ACCOUNTS_COLLECTION,
    CollectionSpec("email_directory", shard_key="_id"),
    IDENTITY_DIRECTORY_COLLECTION,
    CollectionSpec(
        "code_guesses",
        shard_key="_id",
        indexes=(IndexModel([("expire_time", ASCENDING)], name="expiry", expireAfterSeconds=0),),
    ),
    SESSIONS_COLLECTION,
    COMPANY_PLANS_COLLECTION,
    COMPANY_MEMBERS_COLLECTION,
    API_KEYS_COLLECTION,
    SECURITY_EVENTS_COLLECTION,
    SECURITY_CHAINS_COLLECTION,
    CollectionSpec("signing_keys", shard_key="_id", sharded=False),
    SEALED_KEYS_COLLECTION,
    ERASED_PEOPLE_COLLECTION,
)
