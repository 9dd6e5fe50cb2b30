"""PyMongo's database, collections and cursors, with every operation passing the shard's guard.

Writes also need a permit: they are sent only while this process knows which slots the shard holds. Reads
leave out documents of slots that the shard does not own (`orphan_slots`), while there are any.

Cursors are guarded below their public surface, at `_refresh`: it is their only access to the server, so that
taking a document from a batch that has arrived costs nothing more.
"""

import functools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncCommandCursor
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_preferences import SecondaryPreferred

from chassis.mongo.documents import Document
from chassis.observability.query_metrics import QUERY_METRICS
from chassis.sharding.operation_guard import OperationGuard
from chassis.sharding.orphans import exclude_slots, narrow_pipeline, narrow_query
from chassis.sharding.write_lease import WritePermit

C = TypeVar("C", bound="type[ShardCollection] | type[ShardDatabase]")
B = TypeVar("B", bound="ShardCollection | ShardDatabase")

MongoFilter = Mapping[str, Any] | None

_WRITE_OPERATIONS: Final = (
    "bulk_write",
    "create_indexes",
    "delete_many",
    "delete_one",
    "drop",
    "drop_index",
    "find_one_and_delete",
    "find_one_and_replace",
    "find_one_and_update",
    "insert_many",
    "insert_one",
    "replace_one",
    "update_many",
    "update_one",
)

_READ_OPERATIONS: Final = ("aggregate", "count_documents", "distinct", "estimated_document_count")
"""`find` and `find_one` are guarded by their cursor; `watch` is not, as it waits without a bound."""

SECONDARY_PREFERRED: Final = SecondaryPreferred(max_staleness=90)
"""For reads that may be slightly stale: secondaries usually lag by milliseconds.

MongoDB has no shorter bound.
"""

_FIND, _GET_MORE = "find", "get_more"
DUPLICATE_KEY_CODE: Final = 11000
_DATABASE_OPERATIONS: Final = ("command", "create_collection", "drop_collection", "list_collections")


def is_duplicate_key_error(write_error: Mapping[str, Any]) -> bool:
    """Return whether a bulk write's error for one document says that a unique key is taken."""
    return bool(write_error["code"] == DUPLICATE_KEY_CODE)


def _guarded_operations(
    *names: str, reads: Sequence[str] = (), writes: Sequence[str] = ()
) -> Callable[[C], C]:
    """Return a class decorator: the named operations pass the guard, in the bound transaction if any."""

    def decorate(cls: C) -> C:
        for name in names:
            setattr(cls, name, _guard_operation(getattr(cls, name), OperationGuard.run))
        for name in reads:
            guarded = _guard_operation(getattr(cls, name), OperationGuard.run_read)
            setattr(cls, name, _measure(guarded))
        for name in writes:
            guarded = _guard_operation(getattr(cls, name), OperationGuard.run)
            setattr(cls, name, _require_permit(_measure(guarded)))
        return cls

    return decorate


def _guard_operation(
    method: Callable[..., Awaitable[Any]], entry: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def operation(self: "ShardCollection | ShardDatabase", *args: Any, **kwargs: Any) -> Any:
        if self._session is None:
            return await entry(self._guard, method, self, *args, **kwargs)
        kwargs.setdefault("session", self._session)
        return await self._guard.run(method, self, *args, **kwargs)

    return operation


def _measure(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    name = method.__name__

    @functools.wraps(method)
    async def operation(self: "ShardCollection", *args: Any, **kwargs: Any) -> Any:
        with QUERY_METRICS.timer_of(name, self.name).measure():
            return await method(self, *args, **kwargs)

    return operation


def _require_permit(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def operation(self: "ShardCollection", *args: Any, **kwargs: Any) -> Any:
        async with self._permit:
            return await method(self, *args, **kwargs)

    return operation


def _bind_to_session(session: AsyncClientSession | None, original: B) -> B:
    """Return a copy for one transaction: making new PyMongo objects would take a tenth of its time."""
    if session is None:
        return original
    copy = object.__new__(type(original))
    copy.__dict__.update(original.__dict__)
    copy._session = session
    return copy


@_guarded_operations(*_DATABASE_OPERATIONS)
class ShardDatabase(AsyncDatabase[Document]):
    """A service's database on one shard, without the documents of `orphan_slots`."""

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        name: str,
        guard: OperationGuard,
        permit: WritePermit,
        orphan_slots: Collection[int] = (),
    ) -> None:
        super().__init__(client, name)
        self._guard = guard
        self._permit = permit
        self._orphan_filter = exclude_slots(orphan_slots)
        self._session: AsyncClientSession | None = None
        self._collections: dict[str, ShardCollection] = {}
        self._original = self
        self._secondary_reads = SecondaryReads(self)

    def __getitem__(self, name: str) -> "ShardCollection":
        collection = self._collections.get(name)
        if collection is None:
            collection = self._collections[name] = ShardCollection(self._original, name)
        return _bind_to_session(self._session, collection)

    @property
    def secondary_reads(self) -> "SecondaryReads":
        """The database's collections, read from a secondary if any, for reads that may be slightly stale."""
        return self._secondary_reads

    def bind_to_session(self, session: AsyncClientSession) -> "ShardDatabase":
        """Return this database with all its operations in the session's transaction."""
        return _bind_to_session(session, self)

    def get_collection(self, name: str, **options: Any) -> "ShardCollection":  # type: ignore[override]
        """Return the collection, with codec options, concerns or read preference of its own if given."""
        return _bind_to_session(self._session, ShardCollection(self._original, name, **options))


class SecondaryReads:
    """A database's collections, read from secondaries; the primary answers when there are none."""

    def __init__(self, database: ShardDatabase) -> None:
        self._database = database
        self._collections: dict[str, ShardCollection] = {}

    def __getitem__(self, name: str) -> "ShardCollection":
        collection = self._collections.get(name)
        if collection is None:
            collection = self._database.get_collection(name, read_preference=SECONDARY_PREFERRED)
            self._collections[name] = collection
        return collection


@_guarded_operations(reads=_READ_OPERATIONS, writes=_WRITE_OPERATIONS)
class ShardCollection(AsyncCollection[Document]):
    """A collection on one shard."""

    def __init__(self, database: ShardDatabase, name: str, **options: Any) -> None:
        super().__init__(database, name, **options)
        self._guard = database._guard
        self._permit = database._permit
        self._orphan_filter = database._orphan_filter
        self._session: AsyncClientSession | None = None
        self._shard_database = database

    def with_options(self, **options: Any) -> "ShardCollection":  # type: ignore[override]
        """Return the same collection with other codec options, concerns or read preference."""
        return _bind_to_session(self._session, ShardCollection(self._shard_database, self.name, **options))

    def find(self, filter: MongoFilter = None, *args: Any, **kwargs: Any) -> "ShardCursor":
        """Return the cursor of PyMongo's `find`; the query is sent when the cursor is read."""
        if self._session is not None:
            kwargs.setdefault("session", self._session)
        return ShardCursor(self, self._without_orphans(filter), *args, **kwargs)

    async def insert_missing(self, documents: Sequence[Document]) -> list[bool]:
        """Insert those of the documents whose unique keys are not taken; return for each whether it was.

        Raises as `insert_many` does for any other failure; a part may be stored then.
        """
        is_inserted = [True] * len(documents)
        if not documents:
            return is_inserted
        try:
            await self.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or not all(map(is_duplicate_key_error, failures)):
                raise
            for each in failures:
                is_inserted[each["index"]] = False
        return is_inserted

    async def count_documents(self, filter: MongoFilter, *args: Any, **kwargs: Any) -> int:
        """Count, as PyMongo does."""
        return await super().count_documents(self._without_orphans(filter) or {}, *args, **kwargs)

    async def estimated_document_count(self, **kwargs: Any) -> int:  # type: ignore[override]
        """Return PyMongo's estimate, or the number of other documents while there are orphans."""
        if self._orphan_filter is None:
            return await super().estimated_document_count(**kwargs)
        return await super().count_documents(self._orphan_filter, **kwargs)

    async def distinct(self, key: str, filter: MongoFilter = None, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the distinct values, as PyMongo does."""
        return await super().distinct(key, self._without_orphans(filter), *args, **kwargs)

    def _without_orphans(self, query: MongoFilter) -> MongoFilter:
        return query if self._orphan_filter is None else narrow_query(query, self._orphan_filter)

    def _read_preference_for(self, session: Any) -> Any:
        """Return the read preference of an operation or batch; PyMongo calls this before each."""
        preference = super()._read_preference_for(session)
        return preference if self._session is not None else self._guard.choose_read_preference(preference)

    async def _aggregate(
        self, aggregation_command: Any, pipeline: Any, cursor_class: Any, *args: Any, **kwargs: Any
    ) -> AsyncCommandCursor[Document]:
        if self._orphan_filter is not None:
            pipeline = narrow_pipeline(pipeline, self._orphan_filter)
        return await super()._aggregate(aggregation_command, pipeline, ShardCommandCursor, *args, **kwargs)


class ShardCursor(AsyncCursor[Document]):
    """The result of a query, fetched through the guard batch by batch."""

    def __init__(self, collection: ShardCollection, *args: Any, **kwargs: Any) -> None:
        super().__init__(collection, *args, **kwargs)
        self._guard = collection._guard
        self._timers = tuple(QUERY_METRICS.timer_of(name, collection.name) for name in (_FIND, _GET_MORE))

    async def _refresh(self) -> int:
        if self._killed or len(self._data):
            return await super()._refresh()
        with self._timers[self._id is not None].measure():
            return await self._fetch()

    async def _fetch(self) -> int:
        if self.session is not None:
            return await self._guard.run(super()._refresh)
        if self._id is not None:
            return await self._guard.run_read_once(super()._refresh)
        return await self._guard.run_read(self._send_query)

    async def _send_query(self) -> int:
        try:
            return await super()._refresh()
        except PyMongoError:
            # A failed cursor counts as read to its end; after a rewind it can be read again.
            await self.rewind()
            raise


class ShardCommandCursor(AsyncCommandCursor[Document]):
    """The result of an aggregation, fetched through the guard batch by batch."""

    async def _refresh(self) -> int:
        collection = self._collection
        if not isinstance(collection, ShardCollection):
            raise TypeError("a shard's cursor reads a shard's collection")
        if self._killed or len(self._data) or not self._id:
            return await super()._refresh()
        entry = collection._guard.run_read_once if self.session is None else collection._guard.run
        with QUERY_METRICS.timer_of(_GET_MORE, collection.name).measure():
            return await entry(super()._refresh)
