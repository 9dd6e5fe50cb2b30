"""Recipients, inboxes and the delivery log in MongoDB."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from pymongo import IndexModel, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chassis.aggregates import AggregateChange
from chassis.clock import MAX_CLOCK_SKEW
from chassis.ids import slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.repository import Repository, SlotRepository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import DUPLICATE_KEY_CODE, Transaction
from services.notification.domain.inbox import (
    InboxPosition,
    MailDelivery,
    MailDeliveryState,
    MailWasRequested,
    Notification,
    OutgoingNotification,
)
from services.notification.domain.recipients import Recipient
from services.notification.mapping import event_message

RECIPIENTS: Final = "recipients"
COMPANY_RECIPIENTS: Final = "company_recipients"
NOTIFICATIONS: Final = "notifications"
DELIVERIES: Final = "deliveries"

INBOX_INDEX: Final = "inbox_newest_first"
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
        indexes=(IndexModel([("create_time", 1)], name="age", expireAfterSeconds=_DELIVERIES_KEPT_S),),
        shard_key="_id",
    ),
)

T = TypeVar("T")


class NotificationRepository(SlotRepository):
    """All data of this service; an ID names the shard."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards, resource="notifications", metrics_label=DELIVERIES, encode_event=event_message
        )
        self._recipients = Repository(
            shards,
            COLLECTIONS[0],
            Recipient,
            resource="recipient",
            not_found_reason="USER_NOT_FOUND",
            encode_event=event_message,
        )

    # --- recipients

    async def find_recipients(self, user_ids: Iterable[str]) -> Mapping[str, Recipient]:
        """Return the known ones of these users, by ID; one query a shard."""
        found: dict[str, Recipient] = {}
        for shard, ids in self._by_shard(user_ids, key=lambda user_id: user_id).items():
            cursor = shard.db[RECIPIENTS].find({"_id": {"$in": ids}}, hint="_id_")
            found |= {document["_id"]: from_document(Recipient, document) async for document in cursor}
        return found

    async def update_recipient(self, user_id: str, change: Callable[[Recipient], Recipient]) -> None:
        """Change the recipient of a user, who may be new; a repeated change has no further effect.

        Raises OVERLOADED when other changes win every time.
        """

        def decide(found: Recipient | None) -> AggregateChange[Recipient] | None:
            known = found or Recipient(id=user_id)
            changed = change(known)
            return None if changed == known else AggregateChange(replace(changed, version=known.version + 1))

        await self._recipients.upsert(user_id, decide)

    async def find_company_members(self, company_id: str) -> tuple[str, ...]:
        """Return the IDs of a company's members; empty when none is known."""
        document = (
            await self._shards.shard_for(company_id)
            .db[COMPANY_RECIPIENTS]
            .find_one({"_id": company_id}, hint="_id_")
        )
        return tuple(document["members"]) if document else ()

    async def add_company_member(self, company_id: str, user_id: str) -> None:
        """Add a member; a repeat changes nothing."""
        await (
            self._shards.shard_for(company_id)
            .db[COMPANY_RECIPIENTS]
            .update_one(
                {"_id": company_id},
                {"$addToSet": {"members": user_id}, "$setOnInsert": {"slot": slot_of(company_id)}},
                upsert=True,
            )
        )

    # --- dispatching

    async def insert_notifications(
        self, notifications: Sequence[OutgoingNotification], handling: IncomingEvent
    ) -> None:
        """Store notifications and request their mails: per slot in one transaction, once per event."""
        by_slot: dict[int, list[OutgoingNotification]] = defaultdict(list)
        for each in notifications:
            by_slot[slot_of(each.delivery.recipient_id)].append(each)
        for group in by_slot.values():
            try:
                await self._insert_and_request_mails(group, handling)
            except DuplicateKeyError:
                await self._insert_missing(group)

    async def _insert_missing(self, notifications: Sequence[OutgoingNotification]) -> None:
        """Store the missing notifications of an event whose inbox row has expired, by their IDs."""
        for each in notifications:
            with suppress(DuplicateKeyError):
                await self._insert_and_request_mails([each])

    async def _insert_and_request_mails(
        self, notifications: Sequence[OutgoingNotification], handling: IncomingEvent | None = None
    ) -> None:
        """Store notifications of one slot. Raises DuplicateKeyError when one of them is there."""

        async def work(tx: Transaction) -> None:
            entries = [_document(each.notification) for each in notifications if each.notification]
            if entries:
                await _insert_documents(tx, NOTIFICATIONS, entries)
            await _insert_documents(tx, DELIVERIES, [_document(each.delivery) for each in notifications])
            for delivery in (each.delivery for each in notifications):
                self._emit(tx, delivery.id, [MailWasRequested(delivery.id, delivery.recipient_id)])

        await self._run_in_transaction(notifications[0].delivery.recipient_id, work, handling=handling)

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
        return from_document(MailDelivery, document) if document else None

    async def claim_delivery(
        self, delivery_id: str, *, now: datetime, lease_until: datetime
    ) -> MailDelivery | None:
        """Take a mail for sending until the lease ends; None when it cannot be taken.

        A lease that ends well after ours would was given by a clock that is ahead, and is not waited for.
        """
        unclaimed = {"state": {"$in": [MailDeliveryState.QUEUED, MailDeliveryState.FAILED]}}
        leased = {"$gt": now, "$lte": lease_until + MAX_CLOCK_SKEW}
        abandoned = {"state": MailDeliveryState.SENDING, "lease_until": {"$not": leased}}
        document = await self._deliveries(delivery_id).find_one_and_update(
            {"_id": delivery_id, "$or": [unclaimed, abandoned]},
            {
                "$set": {"state": MailDeliveryState.SENDING, "lease_until": lease_until},
                "$inc": {"attempts": 1},
            },
            return_document=ReturnDocument.AFTER,
            hint="_id_",
        )
        return from_document(MailDelivery, document) if document else None

    async def settle_delivery(
        self, claimed: MailDelivery, state: MailDeliveryState, *, now: datetime, error: str = ""
    ) -> None:
        """Store the result of a claimed attempt, unless a later attempt has taken over.

        The encrypted fields are deleted when the mail is accepted, or refused for good.
        """
        changes: dict[str, Any] = {"$set": {"state": state, "error": error}, "$unset": {"lease_until": ""}}
        if state is MailDeliveryState.SENT:
            changes["$set"]["sent_time"] = now
        if state in (MailDeliveryState.SENT, MailDeliveryState.BOUNCED):
            changes["$unset"]["sealed"] = ""
        claimed_attempt = {
            "_id": claimed.id,
            "state": MailDeliveryState.SENDING,
            "attempts": claimed.attempts,
        }
        await self._deliveries(claimed.id).update_one(claimed_attempt, changes, hint="_id_")

    def _inbox(self, recipient_id: str) -> AsyncCollection[Document]:
        return self._shards.shard_for(recipient_id).db[NOTIFICATIONS]

    def _deliveries(self, delivery_id: str) -> AsyncCollection[Document]:
        return self._shards.shard_for(delivery_id).db[DELIVERIES]

    def _by_shard(self, items: Iterable[T], key: Callable[[T], str]) -> dict[Shard, list[T]]:
        groups: dict[Shard, list[T]] = defaultdict(list)
        for item in items:
            groups[self._shards.shard_for(key(item))].append(item)
        return groups


async def _insert_documents(tx: Transaction, collection: str, documents: Sequence[Document]) -> None:
    """Insert documents; raise DuplicateKeyError for many as for one."""
    try:
        await tx.db[collection].insert_many(documents)
    except BulkWriteError as error:
        if any(each["code"] == DUPLICATE_KEY_CODE for each in error.details["writeErrors"]):
            raise DuplicateKeyError(f"{collection} holds some of these already") from error
        raise


def _document(entity: Notification | MailDelivery) -> Document:
    return to_document(entity, slot=slot_of(entity.id))


def _beyond_position(position: InboxPosition, comparison: str) -> Document:
    """Return the condition as a range of the index: the time bounds it, the ID breaks ties."""
    moment, id_ = position
    inclusive = f"{comparison}e"
    ties = [{"create_time": {comparison: moment}}, {"create_time": moment, "_id": {comparison: id_}}]
    return {"create_time": {inclusive: moment}, "$or": ties}
