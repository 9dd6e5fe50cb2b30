"""MongoDB: accounts, the e-mail directory, sessions and signing keys.

An account and its sessions are in the user's slot, a directory entry in the slot of the address's hash, all
signing keys in slot 0. Every query below names its document by `_id`, except that of a user's sessions, which
uses the index `user_credential`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar, cast

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chassis.aggregates import AggregateChange
from chassis.concurrency.retry import retry_call_async
from chassis.errors import unavailable
from chassis.ids import slot_of, slot_of_key
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.home_slots import HomeSlots
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import UPDATE_RETRY_POLICY
from chassis.sharding.transactions import Transaction
from services.auth.domain.accounts import CODE_LIFE, Account, CodeGuesses
from services.auth.domain.events import AuthEvent
from services.auth.domain.keys import SigningKey
from services.auth.domain.sessions import EndReason, Session
from services.auth.mapping import event_message

T = TypeVar("T")

SIGNING_KEYS_SLOT: Final = 0
_MAX_KEYS: Final = 1000

ACCOUNTS_COLLECTION: Final = CollectionSpec("accounts", shard_key="_id")
SESSIONS_COLLECTION: Final = CollectionSpec(
    "sessions",
    shard_key="slot",
    indexes=(
        IndexModel([("user_id", ASCENDING), ("credential", ASCENDING)], name="user_credential"),
        IndexModel([("expire_time", ASCENDING)], name="expiry", expireAfterSeconds=0),
    ),
)
COLLECTIONS: Final = (
    ACCOUNTS_COLLECTION,
    CollectionSpec("email_directory", shard_key="_id"),
    CollectionSpec(
        "code_guesses",
        shard_key="_id",
        indexes=(IndexModel([("expire_time", ASCENDING)], name="expiry", expireAfterSeconds=0),),
    ),
    SESSIONS_COLLECTION,
    CollectionSpec("signing_keys", shard_key="_id", sharded=False),
)


@dataclass(frozen=True, slots=True)
class AccountChange(Generic[T]):
    """A change of an account, decided from the stored one and applied as a whole or not at all.

    `account` is written, `session` begins, `events` are emitted. When the account's `credential` has changed,
    the live sessions of earlier ones end.
    """

    answer: T
    account: Account | None = None
    session: Session | None = None
    events: tuple[AuthEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountChangeResult(Generic[T]):
    """The result of the decision, and the sessions that ended by the change."""

    answer: T
    ended_sessions: tuple[str, ...]


class AccountRepository(Repository[Account]):
    """Accounts, and their directory by address; new ones live in the process's `region`."""

    def __init__(self, shards: Shards, region: str = "") -> None:
        self._homes = HomeSlots(lambda: shards.slot_map, region)
        super().__init__(
            shards,
            ACCOUNTS_COLLECTION,
            Account,
            resource="account",
            not_found_reason="USER_NOT_FOUND",
            encode_event=event_message,
            is_single_document=True,
        )

    def choose_home_slot(self) -> int | None:
        """Return a slot for a new account of this region; None: any will do."""
        return self._homes.choose()

    async def reserve_address(self, address: str, user_id: str, now: datetime) -> str:
        """Return the user to whom an address belongs: the given one, if it belonged to nobody."""
        slot = slot_of_key(address)
        entry = {"user_id": user_id, "slot": slot, "create_time": now}
        found = await self._upsert("email_directory", address, {"$setOnInsert": entry})
        return str(found["user_id"])

    async def find_user_id(self, address: str) -> str | None:
        """Return the user to whom an address belongs, or None."""
        slot = slot_of_key(address)
        entry = (
            await self._shards.shard_for(slot)
            .db["email_directory"]
            .find_one({"_id": address}, {"user_id": 1})
        )
        return str(entry["user_id"]) if entry else None

    async def count_guesses(
        self, address: str, client: str = "", *, spend: int, now: datetime
    ) -> CodeGuesses:
        """Return the number of codes tried for an address lately, `spend` included; also for unknown ones.

        One number counts all clients, the other `client` alone, if it is known.
        """
        update = {
            "$inc": {"count": spend},
            "$set": {"expire_time": now + CODE_LIFE},
            "$setOnInsert": {"slot": slot_of_key(address)},
        }
        keys = [address, f"{address} {client}"] if client else [address]
        found = await asyncio.gather(
            *(self._upsert("code_guesses", address, update, key=key) for key in keys)
        )
        return CodeGuesses(*(int(each["count"]) for each in found))

    async def update_with_session(
        self, user_id: str, decide: Callable[[Account | None], AccountChange[T]]
    ) -> AccountChangeResult[T]:
        """Read an account, decide, and change it together with its sessions in one transaction.

        Each case costs the same transaction, so that its time discloses nothing about the account. `decide`
        may be called again when another call has changed the account.
        """

        async def work(tx: Transaction) -> AccountChangeResult[T]:
            before = await self._find_in(tx.db, user_id)
            change = decide(before)
            await self._apply_or_abort(tx, user_id, before, AggregateChange(change.account, change.events))
            ended = await _end_outdated_sessions(tx, before, change.account)
            if change.session:
                await tx.db["sessions"].insert_one(_session_document(change.session))
            return AccountChangeResult(change.answer, ended)

        return await self._change_in_transaction(user_id, work)

    async def _upsert(self, collection: str, address: str, update: Document, *, key: str = "") -> Document:
        """Update the document of `key`, or of the address itself, in the address's slot."""
        shard = self._shards.shard_for(slot_of_key(address))

        async def attempt() -> Any:
            return await shard.db[collection].find_one_and_update(
                {"_id": key or address}, update, upsert=True, return_document=ReturnDocument.AFTER
            )

        try:  # a duplicate: two upserts at once, of which the loser finds the winner's document
            return cast(
                "Document", await retry_call_async(attempt, UPDATE_RETRY_POLICY, on=DuplicateKeyError)
            )
        except DuplicateKeyError:
            raise unavailable("The e-mail directory") from None

    async def renew_hash(self, known: Account, renewed: str) -> None:
        """Replace an outdated hash by one of the same password with today's parameters."""

        def decide(account: Account) -> AggregateChange[Account]:
            return AggregateChange(account.with_renewed_hash(known.password_hash, renewed))

        await self.update(known.id, decide, known=known)


class SessionRepository(Repository[Session]):
    """Sessions, each in its user's slot, which its ID carries."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            SESSIONS_COLLECTION,
            Session,
            resource="session",
            not_found_reason="INVALID_REFRESH_TOKEN",
            encode_event=event_message,
            compared_fields=("token_digest", "end_time"),
            is_single_document=True,
        )

    async def end_session(self, session_id: str, reason: EndReason, now: datetime) -> None:
        """End a session; one that has ended, or is long over, stays as it is."""

        def decide(session: Session | None) -> AggregateChange[Session] | None:
            is_live = session is not None and session.end_time is None
            return AggregateChange(session.end(reason, now)) if session and is_live else None

        await self.upsert(session_id, decide)


class SigningKeyRepository:
    """Signing keys: few, and read by every process twice a minute."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def list_keys(self) -> list[SigningKey]:
        """Return every stored key, by number."""
        collection = self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"]
        documents = await collection.find({}).sort("_id", ASCENDING).to_list(_MAX_KEYS)
        return [from_document(SigningKey, document) for document in documents]

    async def add_key(self, key: SigningKey) -> bool:
        """Store a key; return False if another process has stored one with its number."""
        document = to_document(key, slot=SIGNING_KEYS_SLOT)
        try:
            await self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"].insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def remove_key(self, key: SigningKey) -> None:
        """Delete a key that no valid token is signed with."""
        await self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"].delete_one({"_id": key.id})


async def _end_outdated_sessions(
    tx: Transaction, before: Account | None, after: Account | None
) -> tuple[str, ...]:
    """End the live sessions of earlier credentials, by `user_credential`, if there is a new one."""
    if before is None or after is None or before.credential == after.credential:
        return ()
    earlier = {
        "slot": slot_of(after.id),
        "user_id": after.id,
        "credential": {"$lt": after.credential},
        "end_time": None,
    }
    cursor = tx.db["sessions"].find(earlier, {"_id": 1}).hint("user_credential")
    ended = tuple([str(document["_id"]) async for document in cursor])
    if ended:
        update = _ending_update(EndReason.PASSWORD_REPLACED, after.update_time)
        await tx.db["sessions"].update_many(earlier, update, hint="user_credential")
    return ended


def _ending_update(reason: EndReason, now: datetime) -> dict[str, object]:
    return {"$set": {"end_time": now, "end_reason": reason.value}}


def _session_document(session: Session) -> dict[str, object]:
    return to_document(session, slot=slot_of(session.id))
