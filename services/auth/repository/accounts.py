"""Accounts, the e-mail directory and the guesses at codes.

Every query names its document by `_id`, except those for the data keys of second factors.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar, cast

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chassis.aggregates import AggregateChange
from chassis.concurrency.retry import retry_call_async
from chassis.errors import unavailable
from chassis.ids import new_id, slot_of, slot_of_key
from chassis.mongo.documents import Document
from chassis.sharding.home_slots import HomeSlots
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import UPDATE_RETRY_POLICY
from chassis.sharding.transactions import Transaction
from services.auth.domain.accounts import Account
from services.auth.domain.codes import CODE_LIFE, CodeGuesses
from services.auth.domain.events import AuthEvent
from services.auth.domain.security_events import Performer, SecurityNote
from services.auth.domain.security_notes import account_notes, sessions_ended_note, sign_in_note
from services.auth.domain.sessions import Session, end_reason
from services.auth.mapping import event_message
from services.auth.performers import current_performer
from services.auth.repository.collections import (
    ACCOUNTS_COLLECTION,
    HAS_AUTHENTICATOR,
    SEALED_WITH_INDEX,
)
from services.auth.repository.security_events import RecordedRepository, SecurityEventRepository
from services.auth.repository.sessions import end_outdated_sessions, session_document

T = TypeVar("T")

MIN_RESERVATION: Final = timedelta(minutes=1)
"""How long an address is kept for the user who got it last: longer than any call's deadline."""
_MAX_SEALED_AT_ONCE: Final = 200


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


class AccountRepository(RecordedRepository[Account]):
    """Accounts, and their directory by address; new ones live in the process's `region`."""

    def __init__(
        self, shards: Shards, region: str = "", chain: SecurityEventRepository | None = None
    ) -> None:
        self._chain = chain
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

    async def find_user_id_or_spare(self, address: str) -> str:
        """Return the user to whom an address belongs; for an unknown one an ID of nobody in its slot.

        So the steps that follow cost the same for both.
        """
        return await self.find_user_id(address) or new_id("usr", slot_of_key(address))

    async def replace_address_owner(self, address: str, former: str, user_id: str, now: datetime) -> bool:
        """Give an address that has belonged to `former` for a minute to another user; return whether it had.

        Who got it within the minute may be about to use it.
        """
        entry = {"_id": address, "user_id": former, "create_time": {"$lte": now - MIN_RESERVATION}}
        change = {"$set": {"user_id": user_id, "create_time": now}}
        directory = self._shards.shard_for(slot_of_key(address)).db["email_directory"]
        return (await directory.update_one(entry, change, hint="_id_")).modified_count == 1

    async def release_address(self, address: str, user_id: str) -> None:
        """Delete the entry of an address that the user no longer has; leave another's alone."""
        directory = self._shards.shard_for(slot_of_key(address)).db["email_directory"]
        await directory.delete_one({"_id": address, "user_id": user_id}, hint="_id_")

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
        self,
        user_id: str,
        decide: Callable[[Account | None], AccountChange[T]],
        *,
        performer: Performer | None = None,
    ) -> AccountChangeResult[T]:
        """Read an account, decide, and change it together with its sessions in one transaction.

        Each case costs the same transaction, so that its time discloses nothing about the account. `decide`
        may be called again when another call has changed the account. `performer` is by default the caller.
        """
        by = performer or current_performer(user_id)

        async def work(tx: Transaction) -> AccountChangeResult[T]:
            before = await self._find_in(tx.db, user_id)
            change = decide(before)
            await self._apply_or_abort(tx, user_id, before, AggregateChange(change.account, change.events))
            ended = await end_outdated_sessions(tx, before, change.account)
            if change.session:
                await tx.db["sessions"].insert_one(session_document(change.session))
            await self._record(tx, user_id, _notes_on_change(before, change, ended), by)
            return AccountChangeResult(change.answer, ended)

        return await self._change_in_transaction(user_id, work)

    async def list_sessions_ended_since(self, account: Account, since: datetime) -> tuple[str, ...]:
        """Return the sessions of the account's earlier credentials that ended since (`user_credential`)."""
        ended = {
            "slot": slot_of(account.id),
            "user_id": account.id,
            "credential": {"$lt": account.credential},
            "end_time": {"$gte": since},
        }
        sessions = self._shards.shard_for(account.id).db["sessions"]
        cursor = sessions.find(ended, {"_id": 1}, hint="user_credential")
        return tuple([str(document["_id"]) async for document in cursor])

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

    async def find_sealed_with_others(self, data_key: str, but: Collection[str]) -> list[str]:
        """Return some accounts whose second factor another data key than this one seals, without `but`."""
        query = {
            **HAS_AUTHENTICATOR,
            "authenticator.sealed_with": {"$ne": data_key},
            "_id": {"$nin": list(but)},
        }
        parts = await asyncio.gather(
            *(
                shard.db["accounts"]
                .find(query, {"_id": 1}, hint=SEALED_WITH_INDEX)
                .to_list(_MAX_SEALED_AT_ONCE)
                for shard in self._shards.all_shards()
            )
        )
        return [str(document["_id"]) for part in parts for document in part]

    async def count_sealed_with(self, data_key: str) -> int:
        """Return the number of accounts whose second factor this data key seals."""
        return await self._count_authenticators({"authenticator.sealed_with": data_key})

    async def count_second_factors(self) -> int:
        """Return the number of accounts with a second factor, on or about to be."""
        return await self._count_authenticators({})

    async def _count_authenticators(self, query: Document) -> int:
        counts = await asyncio.gather(
            *(
                shard.db["accounts"].count_documents({**HAS_AUTHENTICATOR, **query}, hint=SEALED_WITH_INDEX)
                for shard in self._shards.all_shards()
            )
        )
        return sum(counts)

    async def renew_hash(self, known: Account, renewed: str) -> None:
        """Replace an outdated hash by one of the same password with today's parameters."""

        def decide(account: Account) -> AggregateChange[Account]:
            return AggregateChange(account.with_renewed_hash(known.password_hash, renewed))

        await self.update(known.id, decide, known=known)

    def _notes_on(self, before: Account | None, after: Account | None) -> tuple[SecurityNote, ...]:
        return account_notes(before, after)


def _notes_on_change(
    before: Account | None, change: AccountChange[Any], ended: tuple[str, ...]
) -> list[SecurityNote]:
    """Return the notes on an account, on its sessions that end, and on the one that begins."""
    notes = list(account_notes(before, change.account))
    if ended and before and change.account:
        notes.append(sessions_ended_note(len(ended), end_reason(before, change.account)))
    if change.session:
        notes.append(sign_in_note(change.session))
    return notes
