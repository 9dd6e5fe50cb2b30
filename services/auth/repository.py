"""Mongo: accounts, the e-mail directory, sessions and signing keys.

An account and its sessions live in the user's slot, a directory entry in the slot of the address's hash,
all signing keys in slot 0. Every query below names its document by `_id`, but for the sessions of one
user, which go by the index `user_credential`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar, cast

from google.protobuf.message import Message
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chassis.errors import unavailable
from chassis.ids import slot_of, slot_of_key
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.auth.domain import CODE_LIFE, Account, EndReason, Session, SigningKey

T = TypeVar("T")

SIGNING_KEYS_SLOT: Final = 0
_MAX_RACES: Final = 5
_MAX_KEYS: Final = 1000

COLLECTIONS: Final = (
    CollectionSpec("accounts", shard_key="_id"),
    CollectionSpec("email_directory", shard_key="_id"),
    CollectionSpec(
        "code_guesses",
        shard_key="_id",
        indexes=(IndexModel([("expire_time", ASCENDING)], name="expiry", expireAfterSeconds=0),),
    ),
    CollectionSpec(
        "sessions",
        shard_key="slot",
        indexes=(
            IndexModel([("user_id", ASCENDING), ("credential", ASCENDING)], name="user_credential"),
            IndexModel([("expire_time", ASCENDING)], name="expiry", expireAfterSeconds=0),
        ),
    ),
    CollectionSpec("signing_keys", shard_key="_id", sharded=False),
)


@dataclass(frozen=True, slots=True)
class AccountChange(Generic[T]):
    """What to do with an account, decided from what is stored: all of it happens, or nothing.

    `account` is written, `session` begins, `events` are told. When the account's `credential` has moved on,
    the live sessions of earlier ones end.
    """

    answer: T
    account: Account | None = None
    session: Session | None = None
    events: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountChangeResult(Generic[T]):
    """What was answered, and the sessions that ended by it."""

    answer: T
    ended_sessions: tuple[str, ...]


class AccountRepository:
    """Accounts, and the way from an address to one."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def reserve(self, address: str, user_id: str, now: datetime) -> str:
        """The user to whom an address belongs: the given one, if it belonged to nobody."""
        slot = slot_of_key(address)
        entry = {"user_id": user_id, "slot": slot, "create_time": now}
        found = await self._upsert("email_directory", address, {"$setOnInsert": entry})
        return str(found["user_id"])

    async def user_of(self, address: str) -> str | None:
        """The user to whom an address belongs."""
        slot = slot_of_key(address)
        entry = (
            await self._shards.shard_for(slot)
            .db["email_directory"]
            .find_one({"_id": address}, {"user_id": 1})
        )
        return str(entry["user_id"]) if entry else None

    async def guesses(self, address: str, *, spend: int, now: datetime) -> int:
        """How many codes were tried for an address lately, `spend` included; counted for unknown ones too."""
        slot = slot_of_key(address)
        update = {
            "$inc": {"count": spend},
            "$set": {"expire_time": now + CODE_LIFE},
            "$setOnInsert": {"slot": slot},
        }
        return int((await self._upsert("code_guesses", address, update))["count"])

    async def find(self, user_id: str) -> Account | None:
        """The account of a user."""
        found = await self._shards.shard_for(user_id).db["accounts"].find_one({"_id": user_id})
        return from_document(Account, found) if found else None

    async def change(
        self, user_id: str, decide: Callable[[Account | None], AccountChange[T]]
    ) -> AccountChangeResult[T]:
        """Reads an account, lets `decide` say what is to happen, and does it in one transaction.

        `decide` may be asked again when somebody else changed the account meanwhile.
        """
        for _ in range(_MAX_RACES):
            try:
                changed = await self._shards.shard_for(user_id).run_in_transaction(
                    lambda tx: _apply_change(tx, user_id, decide)
                )
                return cast("AccountChangeResult[T]", changed)
            except DuplicateKeyError:  # somebody opened the account between our look and our insert
                await asyncio.sleep(0)
        raise unavailable("The account")

    async def _upsert(self, collection: str, address: str, update: Document) -> Document:
        shard = self._shards.shard_for(slot_of_key(address))
        for _ in range(_MAX_RACES):
            with suppress(DuplicateKeyError):  # two upserts at once: the loser finds the winner's document
                found = await shard.db[collection].find_one_and_update(
                    {"_id": address}, update, upsert=True, return_document=ReturnDocument.AFTER
                )
                return cast("Document", found)
        raise unavailable("The e-mail directory")

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        """Puts a hash by today's parameters in the place of an older one of the same password."""
        await (
            self._shards.shard_for(user_id)
            .db["accounts"]
            .update_one(
                {"_id": user_id, "password_hash": old},
                {"$set": {"password_hash": new}, "$inc": {"version": 1}},
            )
        )


class SessionRepository:
    """Sessions, each in its user's slot, which its ID carries."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, session: Session) -> None:
        """Keeps a session that has just begun."""
        await self._shards.shard_for(session.id).db["sessions"].insert_one(_session_document(session))

    async def find(self, session_id: str) -> Session | None:
        """The session, ended or not; None when it is long over."""
        found = await self._shards.shard_for(session_id).db["sessions"].find_one(_session_filter(session_id))
        return from_document(Session, found) if found else None

    async def rotate(self, before: Session, after: Session) -> bool:
        """Puts the next token in the place of the one before; false if somebody else was faster."""
        result = (
            await self._shards.shard_for(before.id)
            .db["sessions"]
            .update_one(
                _session_filter(before.id) | {"token_digest": before.token_digest, "end_time": None},
                {"$set": _session_document(after)},
            )
        )
        return result.matched_count == 1

    async def end(self, session_id: str, reason: EndReason, now: datetime, *events: Message) -> None:
        """Ends a session and tells of it, unless it has ended before."""

        async def work(tx: Transaction) -> None:
            result = await tx.db["sessions"].update_one(
                _session_filter(session_id) | {"end_time": None}, _ending_update(reason, now)
            )
            if result.matched_count:
                _emit_events(tx, events, subject=session_id)

        await self._shards.shard_for(session_id).run_in_transaction(work)


class SigningKeyRepository:
    """Signing keys: few, and read by every process twice a minute."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def all(self) -> list[SigningKey]:
        """Every key that is kept, by number."""
        collection = self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"]
        documents = await collection.find({}).sort("_id", ASCENDING).to_list(_MAX_KEYS)
        return [from_document(SigningKey, document) for document in documents]

    async def add(self, key: SigningKey) -> bool:
        """Keeps a key; false if another process was first with its number, whose key counts."""
        document = to_document(key, slot=SIGNING_KEYS_SLOT)
        try:
            await self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"].insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def remove(self, key: SigningKey) -> None:
        """Forgets a key that no valid token is signed with."""
        await self._shards.shard_for(SIGNING_KEYS_SLOT).db["signing_keys"].delete_one({"_id": key.id})


async def _apply_change(
    tx: Transaction, user_id: str, decide: Callable[[Account | None], AccountChange[T]]
) -> AccountChangeResult[T]:
    found = await tx.db["accounts"].find_one({"_id": user_id})
    before = from_document(Account, found) if found else None
    change = decide(before)
    ended = await _write_account(tx, before, change.account) if change.account else ()
    if change.session:
        await tx.db["sessions"].insert_one(_session_document(change.session))
    _emit_events(tx, change.events, subject=user_id)
    return AccountChangeResult(change.answer, ended)


async def _write_account(tx: Transaction, before: Account | None, after: Account) -> tuple[str, ...]:
    document = to_document(after, slot=slot_of(after.id))
    if before is None:
        await tx.db["accounts"].insert_one(document)
        return ()
    await tx.db["accounts"].replace_one({"_id": after.id}, document)
    if before.credential == after.credential:
        return ()
    return await _end_sessions_before(tx, after)


async def _end_sessions_before(tx: Transaction, account: Account) -> tuple[str, ...]:
    earlier = {
        "slot": slot_of(account.id),
        "user_id": account.id,
        "credential": {"$lt": account.credential},
        "end_time": None,
    }
    cursor = tx.db["sessions"].find(earlier, {"_id": 1}).hint("user_credential")
    ended = tuple([str(document["_id"]) async for document in cursor])
    if ended:
        update = _ending_update(EndReason.PASSWORD_REPLACED, account.update_time)
        await tx.db["sessions"].update_many(earlier, update, hint="user_credential")
    return ended


def _emit_events(tx: Transaction, events: tuple[Message, ...], *, subject: str) -> None:
    for event in events:
        tx.emit(event, subject=subject)


def _ending_update(reason: EndReason, now: datetime) -> dict[str, object]:
    return {"$set": {"end_time": now, "end_reason": reason.value}}


def _session_filter(session_id: str) -> dict[str, object]:
    return {"_id": session_id, "slot": slot_of(session_id)}


def _session_document(session: Session) -> dict[str, object]:
    return to_document(session, slot=slot_of(session.id))
