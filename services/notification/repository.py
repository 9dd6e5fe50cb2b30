"""Recipients, inboxes and the delivery log in MongoDB."""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from pymongo import IndexModel, ReturnDocument, UpdateMany
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from chassis.aggregates import AggregateChange
from chassis.clock import MAX_CLOCK_SKEW
from chassis.concurrency.coalescing import Coalescer
from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.erased_people import ERASED_PEOPLE_COLLECTION
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import SlotRepository
from services.notification.domain.inbox import (
    SENDING_LEASE,
    InboxPosition,
    MailDelivery,
    MailDeliveryState,
    Notification,
    OutgoingNotification,
)
from services.notification.domain.recipients import Recipient

RECIPIENTS: Final = "recipients"
COMPANY_RECIPIENTS: Final = "company_recipients"
NOTIFICATIONS: Final = "notifications"
DELIVERIES: Final = "deliveries"

INBOX_INDEX: Final = "inbox_newest_first"
DUE_INDEX: Final = "due"
RECIPIENT_INDEX: Final = "of_recipient"
UNREAD_INDEX: Final = "unread_newest_first"
_NEWEST_FIRST: Final = [("recipient_id", 1), ("create_time", -1), ("_id", -1)]
_DELIVERIES_KEPT_S: Final = 30 * 86_400

COLLECTIONS: Final = (
    CollectionSpec(RECIPIENTS, shard_key="_id"),
    CollectionSpec(COMPANY_RECIPIENTS, shard_key="_id"),
    CollectionSpec(
        NOTIFICATIONS,
        indexes=(
            IndexModel(_NEWEST_FIRST, name=INBOX_INDEX),
            IndexModel(_NEWEST_FIRST, name=UNREAD_INDEX, partialFilterExpression={"read": False}),
        ),
        shard_key="recipient_id",
    ),
    CollectionSpec(
        DELIVERIES,
        indexes=(
            IndexModel([("create_time", 1)], name="age", expireAfterSeconds=_DELIVERIES_KEPT_S),
            IndexModel([("lease_until", 1)], name=DUE_INDEX, sparse=True),
            IndexModel([("recipient_id", 1)], name=RECIPIENT_INDEX),
        ),
        shard_key="_id",
    ),
    ERASED_PEOPLE_COLLECTION,
)

MAX_SETTLED_AT_ONCE: Final = 64
MAX_REMOVED_AT_ONCE: Final = 500
CLAIM_DUE_TIMEOUT_S: Final = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _AttemptResult:
    """What the attempts that it is the result of have in common: one update stores it for all of them."""

    attempts: int
    state: MailDeliveryState
    error: str
    next_attempt: datetime | None

    def update(self, delivery_ids: Sequence[str], now: datetime) -> UpdateMany:
        claimed = {
            "_id": {"$in": list(delivery_ids)},
            "state": MailDeliveryState.SENDING,
            "attempts": self.attempts,
        }
        values: Document = {"state": self.state, "error": self.error}
        removed = ["claim"]
        if self.next_attempt is None:
            removed.append("lease_until")
        else:
            values["lease_until"] = self.next_attempt
        if self.state is MailDeliveryState.SENT:
            values["sent_time"] = now
        if self.state in (MailDeliveryState.SENT, MailDeliveryState.BOUNCED):
            removed.append("sealed")
        changes = {"$set": values, "$unset": dict.fromkeys(removed, "")}
        return UpdateMany(claimed, changes, hint="_id_")


@dataclass(frozen=True, slots=True)
class _Settlement:
    """The result of an attempt at a delivery, and its time."""

    delivery_id: str
    result: _AttemptResult
    time: datetime


class NotificationRepository(SlotRepository):
    """All data of this service; an ID names the shard."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, resource="notifications", metrics_label=DELIVERIES)
        self._recipients = Repository(
            shards, COLLECTIONS[0], Recipient, resource="recipient", not_found_reason="USER_NOT_FOUND"
        )
        self._settlements: Coalescer[_Settlement, None] = Coalescer(
            self._write_settlements, max_concurrent=1, max_batch=MAX_SETTLED_AT_ONCE
        )

    # --- recipients

    async def find_recipients(self, user_ids: Iterable[str]) -> Mapping[str, Recipient]:
        """Return the known ones of these users, by ID; one query a shard."""

        async def on_shard(shard: Shard, ids: list[str]) -> list[Recipient]:
            cursor = shard.db[RECIPIENTS].find({"_id": {"$in": ids}}, hint="_id_")
            return [from_document(Recipient, document) async for document in cursor]

        parts = await self._shards.run_on_shards_of(user_ids, str, on_shard)
        return {recipient.id: recipient for part in parts for recipient in part}

    async def update_recipient(self, user_id: str, change: Callable[[Recipient], Recipient]) -> None:
        """Change the recipient of a user, who may be new; a repeated change has no further effect.

        Raises OVERLOADED when other changes win every time.
        """

        def decide(found: Recipient | None) -> AggregateChange[Recipient] | None:
            known = found or Recipient(id=user_id)
            changed = change(known)
            return None if changed == known else AggregateChange(replace(changed, version=known.version + 1))

        await self._recipients.upsert(user_id, decide)

    async def find_company_members(self, company_ids: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the IDs of the members of those of these companies that have any; one query a shard."""

        async def on_shard(shard: Shard, ids: list[str]) -> list[Document]:
            return await shard.db[COMPANY_RECIPIENTS].find({"_id": {"$in": ids}}, hint="_id_").to_list()

        parts = await self._shards.run_on_shards_of(dict.fromkeys(company_ids), str, on_shard)
        return {document["_id"]: tuple(document.get("members", ())) for part in parts for document in part}

    async def set_company_member(
        self, company_id: str, user_id: str, *, is_member: bool, team_version: int = 0
    ) -> None:
        """Add or remove a member, unless a change of the member by a later version of the team is known.

        A registration is before all versions; a repeat changes nothing.
        """
        known = f"team_versions.{user_id}"
        earlier = {"_id": company_id, "$or": [{known: {"$exists": False}}, {known: {"$lt": team_version}}]}
        change: Document = {
            "$addToSet" if is_member else "$pull": {"members": user_id},
            "$set": {known: team_version},
            "$setOnInsert": {"slot": slot_of(company_id)},
        }
        companies = self._shards.shard_for(company_id).db[COMPANY_RECIPIENTS]
        try:
            await companies.update_one(earlier, change, upsert=True)
        except DuplicateKeyError:
            # The company is stored: with a later change of this member, or by another upsert just now.
            await companies.update_one(earlier, change)

    # --- dispatching

    async def insert_notifications(self, notifications: Sequence[OutgoingNotification]) -> set[str]:
        """Store those that are not stored yet, and return the IDs of the deliveries that this call stored.

        The IDs are derived from the events, so a repeat stores nothing twice.

        Raises:
            DomainError: UNAVAILABLE or another of a shard; a part may be stored.
        """
        stored = await self._shards.run_on_shards_of(
            notifications, lambda each: each.delivery.recipient_id, _insert_on_shard
        )
        return set().union(*stored)

    async def has_notification(self, recipient_id: str, template: str, about: str) -> bool:
        """Return whether this inbox holds an entry of that template about that subject."""
        found = await self._inbox(recipient_id).find_one(
            {"recipient_id": recipient_id, "template": template, "about": about}, hint=INBOX_INDEX
        )
        return found is not None

    # --- the inbox

    async def list_page(
        self, recipient_id: str, *, unread_only: bool, after: InboxPosition | None, limit: int
    ) -> list[Notification]:
        """Return entries older than `after`, newest first."""
        query: Document = {"recipient_id": recipient_id}
        if unread_only:
            query["read"] = False
        if after:
            query |= _beyond_position(after, "$lt")
        cursor = self._inbox(recipient_id).find(query, hint=UNREAD_INDEX if unread_only else INBOX_INDEX)
        newest_first = cursor.sort([("create_time", -1), ("_id", -1)]).limit(limit)
        return [from_document(Notification, document) async for document in newest_first]

    async def list_since(self, recipient_id: str, after: InboxPosition, limit: int) -> list[Notification]:
        """Return entries newer than `after`, oldest first."""
        query = {"recipient_id": recipient_id} | _beyond_position(after, "$gt")
        cursor = self._inbox(recipient_id).find(query, hint=INBOX_INDEX)
        oldest_first = cursor.sort([("create_time", 1), ("_id", 1)]).limit(limit)
        return [from_document(Notification, document) async for document in oldest_first]

    async def count_unread(self, recipient_id: str) -> int:
        """Return the number of unread entries."""
        unread = {"recipient_id": recipient_id, "read": False}
        return await self._inbox(recipient_id).count_documents(unread, hint=UNREAD_INDEX)

    async def find_entries(self, recipient_id: str, ids: Sequence[str]) -> dict[str, Notification]:
        """Return those of the entries that are in this inbox, by ID."""
        cursor = self._inbox(recipient_id).find(
            {"recipient_id": recipient_id, "_id": {"$in": list(ids)}}, hint="_id_"
        )
        return {document["_id"]: from_document(Notification, document) async for document in cursor}

    async def mark_read(self, recipient_id: str, ids: Sequence[str]) -> None:
        """Mark these entries of the inbox as read."""
        await self._inbox(recipient_id).update_many(
            {"recipient_id": recipient_id, "_id": {"$in": list(ids)}}, {"$set": {"read": True}}, hint="_id_"
        )

    async def mark_all_read(self, recipient_id: str, until: datetime) -> None:
        """Mark all entries that were made until then as read."""
        unread = {"recipient_id": recipient_id, "read": False, "create_time": {"$lte": until}}
        await self._inbox(recipient_id).update_many(unread, {"$set": {"read": True}}, hint=UNREAD_INDEX)

    async def follow_each_partition(self, follow: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Keep `follow` running for each shard with inboxes, by its name, until one of them ends."""
        await self._shards.run_on_each(lambda shard: follow(shard.name))

    def inbox_moves(self) -> AsyncIterator[None]:
        """Yield when inboxes may have moved to another shard."""
        return self._shards.slot_map_changes()

    def partition_of(self, recipient_id: str) -> str:
        """Return the shard on which a user's inbox is."""
        return self._shards.shard_for(recipient_id).name

    async def watch_inserts(self, partition: str, opened: Callable[[], None]) -> AsyncIterator[Notification]:
        """Yield new entries of all inboxes on one shard from now on; call `opened` once none is missed.

        Entries of inboxes on other shards are copies, or come too late, and are left out. All copies exist
        before an inbox changes its shard, so a stream that resumes reads them first.
        """
        shard = next(each for each in self._shards.all_shards() if each.name == partition)
        inserts = [{"$match": {"operationType": "insert"}}]
        async with await shard.db[NOTIFICATIONS].watch(inserts) as changes:
            opened()
            async for change in changes:
                entry = change["fullDocument"]
                if self.partition_of(entry["recipient_id"]) == partition:
                    yield from_document(Notification, entry)

    # --- the delivery log

    async def get_delivery(self, delivery_id: str) -> MailDelivery | None:
        """Return a mail in delivery; None when there is none of this ID."""
        document = await self._deliveries(delivery_id).find_one({"_id": delivery_id}, hint="_id_")
        return _delivery(document) if document else None

    async def claim_due(self, *, now: datetime, lease_until: datetime, limit: int) -> list[MailDelivery]:
        """Take up to `limit` mails of each shard whose next attempt may begin, the longest due first.

        Among them are claims that no clock but one that is ahead can have given. Shards that do not answer
        are left out. Uses the index `due`.
        """
        impossible = {"lease_until": {"$gt": now + SENDING_LEASE + MAX_CLOCK_SKEW}}
        due = {"$or": [{"lease_until": {"$lte": now}}, {"state": MailDeliveryState.SENDING, **impossible}]}

        async def claim_on(shard: Shard) -> list[MailDelivery]:
            found = shard.db[DELIVERIES].find(due, {"_id": True}, hint=DUE_INDEX)
            ids = [row["_id"] for row in await found.sort("lease_until", 1).limit(limit).to_list()]
            if not ids:
                return []
            # Other workers may have found the same: each takes what it could mark.
            mark = secrets.token_hex(8)
            claimable = {"_id": {"$in": ids}, **_claimable(now, lease_until)}
            await shard.db[DELIVERIES].update_many(claimable, _claim(lease_until, mark), hint="_id_")
            claimed = shard.db[DELIVERIES].find({"_id": {"$in": ids}, "claim": mark}, hint="_id_")
            return [_delivery(document) async for document in claimed]

        parts = await self._shards.scatter(claim_on, timeout_s=CLAIM_DUE_TIMEOUT_S)
        return [delivery for part in parts.results for delivery in part]

    async def claim_delivery(
        self, delivery_id: str, *, now: datetime, lease_until: datetime
    ) -> MailDelivery | None:
        """Take a mail for sending until the lease ends; None when it cannot be taken."""
        document = await self._deliveries(delivery_id).find_one_and_update(
            {"_id": delivery_id, **_claimable(now, lease_until)},
            _claim(lease_until, secrets.token_hex(8)),
            return_document=ReturnDocument.AFTER,
            hint="_id_",
        )
        return _delivery(document) if document else None

    async def settle_delivery(
        self,
        claimed: MailDelivery,
        state: MailDeliveryState,
        *,
        now: datetime,
        error: str = "",
        next_attempt: datetime | None = None,
    ) -> None:
        """Store the result of a claimed attempt, unless a later attempt has taken over.

        The encrypted fields are deleted when the mail is accepted, or refused for good. Results that arrive
        together are written together.
        """
        result = _AttemptResult(claimed.attempts, state, error, next_attempt)
        await self._settlements.submit(_Settlement(claimed.id, result, now))

    async def _write_settlements(self, settlements: Sequence[_Settlement]) -> Sequence[BaseException | None]:
        """Return the error of each settlement, that of its shard; None for those that are written."""

        async def write(shard: Shard, own: list[_Settlement]) -> dict[str, Exception | None]:
            error: Exception | None = None
            try:
                await shard.db[DELIVERIES].bulk_write(_updates_of(own), ordered=False)
            except Exception as problem:
                error = problem
            return dict.fromkeys((each.delivery_id for each in own), error)

        parts = await self._shards.run_on_shards_of(settlements, lambda each: each.delivery_id, write)
        errors = {id_: error for part in parts for id_, error in part.items()}
        return [errors[each.delivery_id] for each in settlements]

    # --- erasing people

    async def remove_entries_about(self, recipient_ids: Iterable[str], about: str) -> None:
        """Remove the entries about a subject from these inboxes; one command a shard."""

        async def on_shard(shard: Shard, own: list[str]) -> None:
            entries: Document = {"recipient_id": {"$in": own}, "about": about}
            await shard.db[NOTIFICATIONS].delete_many(entries, hint=INBOX_INDEX)

        await self._shards.run_on_shards_of(dict.fromkeys(recipient_ids), str, on_shard)

    async def erase_person(self, user_id: str) -> None:
        """Remove a person's mails, also those that wait, their inbox and their recipient; repeatable.

        Pages are found by the indexes `of_recipient` and `inbox_newest_first`.
        """
        database = self._shards.shard_for(user_id).db
        for name, index in ((DELIVERIES, RECIPIENT_INDEX), (NOTIFICATIONS, INBOX_INDEX)):
            rows = database[name].find({"recipient_id": user_id}, {"_id": 1}, hint=index)
            while page := await rows.limit(MAX_REMOVED_AT_ONCE).to_list():
                ids = [row["_id"] for row in page]
                await database[name].delete_many({"recipient_id": user_id, "_id": {"$in": ids}}, hint="_id_")
                rows = database[name].find({"recipient_id": user_id}, {"_id": 1}, hint=index)
        await database[RECIPIENTS].delete_one({"_id": user_id}, hint="_id_")

    def _inbox(self, recipient_id: str) -> AsyncCollection[Document]:
        return self._shards.shard_for(recipient_id).db[NOTIFICATIONS]

    def _deliveries(self, delivery_id: str) -> AsyncCollection[Document]:
        return self._shards.shard_for(delivery_id).db[DELIVERIES]


def _claimable(now: datetime, lease_until: datetime) -> Document:
    """Return the condition for a mail that may be taken for sending until the lease ends.

    A claim that ends well after ours would was given by a clock that is ahead, and is not waited for.
    """
    claimed = {"$gt": now, "$lte": lease_until + MAX_CLOCK_SKEW}
    abandoned = {"state": MailDeliveryState.SENDING, "lease_until": {"$not": claimed}}
    waiting = {
        "state": {"$in": [MailDeliveryState.QUEUED, MailDeliveryState.FAILED]},
        "lease_until": {"$not": {"$gt": now}},
    }
    return {"$or": [waiting, abandoned]}


def _claim(lease_until: datetime, mark: str) -> Document:
    taken = {"state": MailDeliveryState.SENDING, "lease_until": lease_until, "claim": mark}
    return {"$set": taken, "$inc": {"attempts": 1}}


def _delivery(document: Document) -> MailDelivery:
    document.pop("claim", None)
    return from_document(MailDelivery, document)


def _updates_of(settlements: Sequence[_Settlement]) -> list[UpdateMany]:
    """Return an update for each different result, with the time of the latest attempt that had it."""
    by_result: dict[_AttemptResult, list[_Settlement]] = defaultdict(list)
    for each in settlements:
        by_result[each.result].append(each)
    return [
        result.update([each.delivery_id for each in own], max(each.time for each in own))
        for result, own in by_result.items()
    ]


async def _insert_on_shard(shard: Shard, notifications: Sequence[OutgoingNotification]) -> set[str]:
    """Insert the inbox entries before the deliveries, so that none is missing where a mail was sent."""
    entries = [_document(each.notification) for each in notifications if each.notification]
    await shard.db[NOTIFICATIONS].insert_missing(entries)
    deliveries = [_document(each.delivery) for each in notifications]
    is_stored = await shard.db[DELIVERIES].insert_missing(deliveries)
    return {each["_id"] for each, stored in zip(deliveries, is_stored, strict=True) if stored}


def _document(entity: Notification | MailDelivery) -> Document:
    return to_document(entity, slot=slot_of(entity.id))


def _beyond_position(position: InboxPosition, comparison: str) -> Document:
    """Return the condition as a range of the index: the time bounds it, the ID breaks ties."""
    moment, id_ = position
    inclusive = f"{comparison}e"
    ties = [{"create_time": {comparison: moment}}, {"create_time": moment, "_id": {comparison: id_}}]
    return {"create_time": {inclusive: moment}, "$or": ties}
