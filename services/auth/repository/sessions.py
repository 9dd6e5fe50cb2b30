"""Sessions, each in its user's slot, which its ID carries.

Every query names its document by `_id`, except that of a user's sessions, which uses the index
`user_credential`.
"""

from datetime import datetime

from pymongo import ASCENDING

from chassis.aggregates import AggregateChange
from chassis.ids import slot_of
from chassis.mongo.documents import Document, to_document
from chassis.sharding.collections import ShardCollection
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from services.auth.domain.accounts import Account
from services.auth.domain.security_events import SecurityNote
from services.auth.domain.security_notes import session_notes, sessions_ended_note, sign_in_note
from services.auth.domain.sessions import EndReason, Session, end_reason
from services.auth.mapping import event_message
from services.auth.performers import current_performer, proven_owner
from services.auth.repository.collections import ACCOUNTS_COLLECTION, SESSIONS_COLLECTION
from services.auth.repository.security_events import RecordedRepository, SecurityEventRepository


class SessionRepository(RecordedRepository[Session]):
    """Sessions, each in its user's slot, which its ID carries."""

    def __init__(self, shards: Shards, chain: SecurityEventRepository | None = None) -> None:
        self._chain = chain
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

    async def begin(self, session: Session) -> bool:
        """Store a session that begins, and whose owner was proven.

        Return False, and store nothing, when the account has changed since so that its sessions ended. Each
        such change writes the head of its record, and so does this: one of two at once sees the other.
        """
        by = proven_owner(session.user_id)

        async def work(tx: Transaction) -> bool:
            accounts = tx.db[ACCOUNTS_COLLECTION.name]
            account = await accounts.find_one({"_id": session.user_id}, {"credential": 1}, hint="_id_")
            if account is None or account["credential"] != session.credential:
                return False
            self._add(tx, session)
            await self._record(tx, session.user_id, (sign_in_note(session),), by)
            return True

        return bool(await self._change_in_transaction(session.id, work))

    async def end_session(self, session_id: str, reason: EndReason, now: datetime) -> None:
        """End a session; one that has ended, or is long over, stays as it is."""

        def decide(session: Session | None) -> AggregateChange[Session] | None:
            is_live = session is not None and session.end_time is None
            return AggregateChange(session.end(reason, now)) if session and is_live else None

        await self.upsert(session_id, decide)

    async def list_live_sessions(self, user_id: str, now: datetime, limit: int) -> list[Session]:
        """Return a user's sessions that have not ended, the one used last first."""
        cursor = self._sessions_of(user_id).find(_live_sessions(user_id, now)).hint("user_credential")
        documents = await cursor.to_list(None)
        sessions = sorted(
            (self._from_document(each) for each in documents),
            key=lambda each: each.refresh_time,
            reverse=True,
        )
        return sessions[:limit]

    async def list_sessions(self, user_id: str, *, after_id: str, limit: int) -> list[Session]:
        """Return a user's sessions, also those that have ended, by ID from beyond one on; "" at first."""
        query: Document = {"slot": slot_of(user_id), "user_id": user_id, "_id": {"$gt": after_id}}
        cursor = self._sessions_of(user_id).find(query, hint="user_credential")
        documents = await cursor.sort("_id", ASCENDING).limit(limit).to_list()
        return [self._from_document(each) for each in documents]

    async def end_other_sessions(self, user_id: str, kept: str, now: datetime) -> list[str]:
        """End a user's live sessions but one; return the IDs of those that ended."""
        others = _live_sessions(user_id, now) | {"_id": {"$ne": kept}}
        reason, by = EndReason.ENDED_BY_OWNER, current_performer(user_id)

        async def work(tx: Transaction) -> list[str]:
            sessions = tx.db[SESSIONS_COLLECTION.name]
            cursor = sessions.find(others, {"_id": 1}).hint("user_credential")
            ended = [str(document["_id"]) async for document in cursor]
            if ended:
                await sessions.update_many(others, _ending_update(reason, now), hint="user_credential")
                await self._record(tx, user_id, (sessions_ended_note(len(ended), reason),), by)
            return ended

        return await self._change_in_transaction(user_id, work)

    def _notes_on(self, before: Session | None, after: Session | None) -> tuple[SecurityNote, ...]:
        return session_notes(before, after)

    def _user_id_of(self, id_: str, before: Session | None) -> str:
        return before.user_id if before else id_

    def _sessions_of(self, user_id: str) -> ShardCollection:
        return self._shards.shard_for(user_id).db["sessions"]


async def end_outdated_sessions(
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
        update = _ending_update(end_reason(before, after), after.update_time)
        await tx.db["sessions"].update_many(earlier, update, hint="user_credential")
    return ended


def _live_sessions(user_id: str, now: datetime) -> Document:
    return {
        "slot": slot_of(user_id),
        "user_id": user_id,
        "end_time": None,
        "expire_time": {"$gt": now},
    }


def _ending_update(reason: EndReason, now: datetime) -> dict[str, object]:
    return {"$set": {"end_time": now, "end_reason": reason.value}}


def session_document(session: Session) -> dict[str, object]:
    return to_document(session, slot=slot_of(session.id))
