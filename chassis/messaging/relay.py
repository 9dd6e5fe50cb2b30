"""The relay: publishes the rows of each shard's outbox to the broker, in order, at least once.

Per shard one process holds the lease. It follows the outbox's inserts by a change stream and publishes new
rows in batches. Rows that the broker has confirmed are deleted, those of half a second together; if this
process dies before, its successor publishes them again. The position is stored as the stream's resume token,
and only beyond deleted rows, so that a successor continues from there; without a token, or with one that the
oplog has lost, the relay publishes all existing rows and follows from then on. Rows of one type that wait
together travel in one message.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from chassis.concurrency.backoff import Backoff, keep_reconnecting
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.concurrency.tasks import best_effort, run_until_first_exit
from chassis.messaging.leader_lease import LEASES_COLLECTION as LEASES
from chassis.messaging.leader_lease import LeaderLease
from chassis.messaging.message_bodies import OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.observability import metrics
from chassis.observability.logging import get_logger
from chassis.sharding import outbox
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards

POSITIONS_COLLECTION: Final = "relay_positions"
_POSITION_KEY: Final = {"_id": "outbox", "slot": 0}
RELAY_LEASE: Final = "outbox-relay"


@dataclass(frozen=True, slots=True)
class RelayPolicy:
    """How much of an outbox is held, sent and counted at once, and how often the relay looks after itself.

    Confirmed rows are deleted after `remove_interval_s`, or as soon as there are `max_batch_rows`.
    Rows that wait for `max_silent_lag_s` while the stream brings none were left behind. A stream that starts
    after a sweep may bring rows again that are younger than `max_transaction_age`.
    """

    max_batch_rows: int = 500
    max_queued_rows: int = 1_000
    max_counted_rows: int = 10_000
    max_await_ms: int = 10_000
    remove_interval_s: float = 0.5
    max_silent_lag_s: float = 60.0
    max_transaction_age: timedelta = timedelta(minutes=1)
    store_position_interval_s: float = 1.0
    measure_interval_s: float = 5.0
    publish_retry: RetryPolicy = field(default=RetryPolicy(initial_s=0.2, max_s=10.0))


DEFAULT_RELAY_POLICY: Final = RelayPolicy()

_INSERTS: Final[list[dict[str, Any]]] = [
    {"$match": {"operationType": "insert"}},
    {"$project": {"fullDocument": 1}},
]
RESUME_POINT_LOST: Final = frozenset({260, 280, 286})
"""The server has lost the position in its oplog: InvalidResumeToken, ChangeStreamFatalError,
ChangeStreamHistoryLost."""

_log = get_logger()


class OutboxBacklogError(Exception):
    """Rows wait though the stream is silent: they were not inserted but, say, restored from a backup."""


@dataclass(frozen=True, slots=True)
class _OutboxRow:
    event: OutgoingEvent
    position: Mapping[str, Any] | None
    """The stream's resume token after this row; None for a row found by sweeping."""


class OutboxRelay:
    """Relays the outboxes of all shards until cancelled; `holder` identifies this process in the leases."""

    def __init__(
        self,
        shards: Shards,
        publisher: EventPublisher,
        *,
        holder: str,
        policy: RelayPolicy = DEFAULT_RELAY_POLICY,
    ) -> None:
        self._shards = shards
        self._publisher = publisher
        self._holder = holder
        self._policy = policy

    async def relay_all_shards(self) -> None:
        await self._shards.run_on_each(self._relay)

    async def _relay(self, shard: Shard) -> None:
        await _ShardOutboxRelay(shard, self._publisher, self._holder, self._policy).relay_forever()


class _ShardOutboxRelay:
    def __init__(self, shard: Shard, publisher: EventPublisher, holder: str, policy: RelayPolicy) -> None:
        self._policy = policy
        self._shard = shard.name
        self._db = shard.unscoped
        self._outbox = shard.unscoped[outbox.OUTBOX_COLLECTION]
        self._positions = shard.unscoped[POSITIONS_COLLECTION]
        self._lease = LeaderLease(shard.unscoped[LEASES], RELAY_LEASE, holder)
        self._publisher = publisher
        self._waiting: asyncio.Queue[_OutboxRow] = asyncio.Queue(self._policy.max_queued_rows)
        self._idle_since: float | None = None
        self._published: list[_OutboxRow] = []
        self._remove_at = math.inf
        self._published_to: Mapping[str, Any] | None = None
        self._stored_at = 0.0

    async def relay_forever(self) -> None:
        await keep_reconnecting(self._relay_while_leading, self._report_interruption)

    async def _relay_while_leading(self, backoff: Backoff) -> None:
        started = monotonic()
        try:
            await self._lease.run_while_held(self._relay)
        finally:
            if monotonic() - started > self._policy.max_silent_lag_s:
                backoff.reset()

    def _report_interruption(self, error: Exception) -> None:
        if isinstance(error, OutboxBacklogError):
            _log.warning("outbox rows were left behind, sweeping", shard=self._shard)
        else:
            _log.warning("outbox relay interrupted", shard=self._shard, error=repr(error))

    async def _relay(self) -> None:
        self._waiting = asyncio.Queue(self._policy.max_queued_rows)
        self._published, self._remove_at = [], math.inf
        self._idle_since = monotonic()
        metrics.outbox_failures.labels(self._shard)  # exported as 0 before the first one
        await run_until_first_exit(self._read_rows(), self._send(), self._measure_lag())

    # --- reading -------------------------------------------------------------------------------

    async def _read_rows(self) -> None:
        position = await self._load_position()
        if position is not None:
            try:
                await self._follow({"resume_after": position})
            except OperationFailure as error:
                if error.code not in RESUME_POINT_LOST:
                    raise
                _log.warning("outbox position is forgotten, sweeping", shard=self._shard)
        await self._sweep_and_follow()

    async def _sweep_and_follow(self) -> None:
        now = await self._operation_time()
        swept = await self._sweep(now)
        await self._follow({"start_at_operation_time": now}, swept)

    async def _follow(self, start: Mapping[str, Any], already: set[str] | None = None) -> None:
        async with await self._outbox.watch(
            _INSERTS, max_await_time_ms=self._policy.max_await_ms, **start
        ) as stream:
            async for change in stream:
                row = _outbox_row(change["fullDocument"], change["_id"])
                if already and row.event.id in already:
                    already.discard(row.event.id)
                else:
                    await self._waiting.put(row)

    async def _sweep(self, now: Timestamp) -> set[str]:
        """Queue all rows committed by `now`; return the IDs of young ones, which a stream may repeat."""
        young = now.as_datetime() - self._policy.max_transaction_age
        swept = set()
        committed = self._outbox.with_options(read_concern=ReadConcern("majority"))
        async with self._db.client.start_session(causal_consistency=True) as session:
            session.advance_operation_time(now)
            async for document in committed.find(
                sort=[("_id", 1)], batch_size=self._policy.max_batch_rows, session=session
            ):
                if document["time"] > young:
                    swept.add(document["_id"])
                await self._waiting.put(_outbox_row(document, None))
        return swept

    async def _operation_time(self) -> Timestamp:
        answer = await self._db.command("ping")
        time: Timestamp = answer["operationTime"]
        return time

    # --- sending -------------------------------------------------------------------------------

    async def _send(self) -> None:
        try:
            while True:
                if batch := await self._next_batch():
                    await self._publish(batch)
                    self._remove_at = min(self._remove_at, monotonic() + self._policy.remove_interval_s)
                    self._published += batch
                if len(self._published) >= self._policy.max_batch_rows or monotonic() >= self._remove_at:
                    await self._remove_published()
        finally:
            await best_effort(self._settle())

    async def _next_batch(self) -> list[_OutboxRow]:
        """Return the rows that wait, at least one; none when published rows are to be removed before."""
        if self._waiting.empty():
            self._idle_since = monotonic()
        seconds = max(0.0, self._remove_at - monotonic())
        try:
            async with asyncio.timeout(seconds if math.isfinite(seconds) else None):
                batch = [await self._waiting.get()]
        except TimeoutError:
            return []
        self._idle_since = None
        while len(batch) < self._policy.max_batch_rows and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    async def _publish(self, batch: Sequence[_OutboxRow]) -> None:
        """Publish the batch, with retries until it is confirmed; until then the rows stay in MongoDB."""
        events = [row.event for row in batch]

        def report_error(error: Exception, _failures: int) -> bool:
            metrics.outbox_failures.labels(self._shard).inc()
            _log.warning("broker did not confirm", shard=self._shard, rows=len(batch), error=repr(error))
            return True

        await retry_call_async(
            lambda: self._publisher.publish(events),
            self._policy.publish_retry,
            on=Exception,
            may_retry=report_error,
        )
        metrics.outbox_published.labels(self._shard).inc(len(batch))

    async def _remove_published(self) -> None:
        """Delete the published rows; the position may only be stored beyond them."""
        ids = [row.event.id for row in self._published]
        slots = sorted({row.event.slot for row in self._published})
        await self._outbox.delete_many({"_id": {"$in": ids}, "slot": {"$in": slots}})
        self._published_to = self._published[-1].position or self._published_to
        self._published, self._remove_at = [], math.inf
        if monotonic() - self._stored_at > self._policy.store_position_interval_s:
            await self._store_position()

    async def _settle(self) -> None:
        if self._published:
            await self._remove_published()
        await self._store_position()

    # --- position ------------------------------------------------------------------------------

    async def _load_position(self) -> Mapping[str, Any] | None:
        stored = await self._positions.find_one(_POSITION_KEY)
        return stored["token"] if stored else None

    async def _store_position(self) -> None:
        if self._published_to is None:
            return
        await self._positions.update_one(_POSITION_KEY, {"$set": {"token": self._published_to}}, upsert=True)
        self._published_to = None
        self._stored_at = monotonic()

    async def _forget_position(self) -> None:
        self._published_to = None
        await self._positions.delete_one(_POSITION_KEY)

    # --- measuring -----------------------------------------------------------------------------

    async def _measure_lag(self) -> None:
        while True:
            lag_s = await self._lag_s()
            metrics.outbox_lag_seconds.labels(self._shard).set(lag_s)
            if lag_s > self._policy.max_silent_lag_s and self._silent_for_s() > self._policy.max_silent_lag_s:
                await self._forget_position()
                raise OutboxBacklogError
            await asyncio.sleep(self._policy.measure_interval_s)

    async def _lag_s(self) -> float:
        oldest = await self._outbox.find_one({}, {"time": 1}, sort=[("_id", 1)])
        if oldest is None:
            metrics.outbox_rows.labels(self._shard).set(0)
            return 0.0
        rows = await self._outbox.count_documents({}, limit=self._policy.max_counted_rows, hint="_id_")
        metrics.outbox_rows.labels(self._shard).set(rows)
        waiting: timedelta = datetime.now(UTC) - oldest["time"]
        return max(0.0, waiting.total_seconds())

    def _silent_for_s(self) -> float:
        return 0.0 if self._idle_since is None else monotonic() - self._idle_since


def _outbox_row(document: Mapping[str, Any], position: Mapping[str, Any] | None) -> _OutboxRow:
    event = OutgoingEvent(document["_id"], document["type"], document["event"], document["slot"])
    return _OutboxRow(event, position)
