"""PyMongo's database, collections and cursors, with every operation going through the shard's gate.

Writes need a permit besides: they go to the shard only while this process knows which records it holds. Reads
leave out what a shard holds of slots that are not its own, while there are such (`strangers`).

Cursors are followed below their public surface, at `_refresh`: it is the one place where they talk to the
server, so that taking a document from a batch that is here already costs nothing more.
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
from pymongo.read_preferences import SecondaryPreferred

from chassis.mongo.documents import Document
from chassis.mongo.gate import Gate
from chassis.mongo.permits import Permit
from chassis.mongo.strangers import narrowed, narrowed_pipeline, without

C = TypeVar("C", bound="type[ShardCollection] | type[ShardDatabase]")
B = TypeVar("B", bound="ShardCollection | ShardDatabase")

Query = Mapping[str, Any] | None

_WRITES: Final = (
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

_READS: Final = ("aggregate", "count_documents", "distinct", "estimated_document_count")
"""`find` and `find_one` are guarded by their cursor; not `watch`, which waits without an end."""

NEARBY: Final = SecondaryPreferred(max_staleness=90)
"""For what may be a little old: secondaries are milliseconds behind, mostly. MongoDB has no shorter bound."""

_DATABASE_OPERATIONS: Final = ("command", "create_collection", "drop_collection", "list_collections")


def _through_gate(*names: str, reads: Sequence[str] = (), writes: Sequence[str] = ()) -> Callable[[C], C]:
    """Class decorator: the named operations pass the gate, within the transaction that is bound, if any."""

    def decorate(cls: C) -> C:
        for name in names:
            setattr(cls, name, _gated(getattr(cls, name), Gate.passing))
        for name in reads:
            setattr(cls, name, _gated(getattr(cls, name), Gate.reading))
        for name in writes:
            setattr(cls, name, _permitted(_gated(getattr(cls, name), Gate.passing)))
        return cls

    return decorate


def _gated(
    method: Callable[..., Awaitable[Any]], way: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def operation(self: "ShardCollection | ShardDatabase", *args: Any, **kwargs: Any) -> Any:
        if self._bound is None:
            return await way(self._gate, method, self, *args, **kwargs)
        kwargs.setdefault("session", self._bound)
        return await self._gate.passing(method, self, *args, **kwargs)

    return operation


def _permitted(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def operation(self: "ShardCollection", *args: Any, **kwargs: Any) -> Any:
        async with self._permit:
            return await method(self, *args, **kwargs)

    return operation


def _bound_to(session: AsyncClientSession | None, original: B) -> B:
    """A copy for one transaction: making PyMongo's objects anew would cost it a tenth of its time."""
    if session is None:
        return original
    copy = object.__new__(type(original))
    copy.__dict__.update(original.__dict__)
    copy._bound = session
    return copy


@_through_gate(*_DATABASE_OPERATIONS)
class ShardDatabase(AsyncDatabase[Document]):
    """A service's database on one shard; of `strangers`, slots of another shard, it shows no documents."""

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        name: str,
        gate: Gate,
        permit: Permit,
        strangers: Collection[int] = (),
    ) -> None:
        super().__init__(client, name)
        self._gate = gate
        self._permit = permit
        self._condition = without(strangers)
        self._bound: AsyncClientSession | None = None
        self._collections: dict[str, ShardCollection] = {}
        self._unbound = self
        self._nearby = Nearby(self)

    def __getitem__(self, name: str) -> "ShardCollection":
        collection = self._collections.get(name)
        if collection is None:
            collection = self._collections[name] = ShardCollection(self._unbound, name)
        return _bound_to(self._bound, collection)

    @property
    def nearby(self) -> "Nearby":
        """Its collections, read from a secondary where there is one: for what may be a little old."""
        return self._nearby

    def bound_to(self, session: AsyncClientSession) -> "ShardDatabase":
        """This database, with all that is done through it in the session's transaction."""
        return _bound_to(session, self)

    def get_collection(self, name: str, **options: Any) -> "ShardCollection":  # type: ignore[override]
        """The collection with other codec options, concerns or read preference than the database's."""
        return _bound_to(self._bound, ShardCollection(self._unbound, name, **options))


class Nearby:
    """A database's collections as its secondaries have them; the primary answers where there are none."""

    def __init__(self, database: ShardDatabase) -> None:
        self._database = database
        self._collections: dict[str, ShardCollection] = {}

    def __getitem__(self, name: str) -> "ShardCollection":
        collection = self._collections.get(name)
        if collection is None:
            collection = self._database.get_collection(name, read_preference=NEARBY)
            self._collections[name] = collection
        return collection


@_through_gate(reads=_READS, writes=_WRITES)
class ShardCollection(AsyncCollection[Document]):
    """A collection on one shard."""

    def __init__(self, database: ShardDatabase, name: str, **options: Any) -> None:
        super().__init__(database, name, **options)
        self._gate = database._gate
        self._permit = database._permit
        self._condition = database._condition
        self._bound: AsyncClientSession | None = None
        self._shard_database = database

    def with_options(self, **options: Any) -> "ShardCollection":  # type: ignore[override]
        """The same collection with other codec options, concerns or read preference."""
        return _bound_to(self._bound, ShardCollection(self._shard_database, self.name, **options))

    def find(self, filter: Query = None, *args: Any, **kwargs: Any) -> "ShardCursor":
        """As PyMongo's `find`; the query is sent when the cursor is read."""
        if self._bound is not None:
            kwargs.setdefault("session", self._bound)
        return ShardCursor(self, self._narrowed(filter), *args, **kwargs)

    async def count_documents(self, filter: Query, *args: Any, **kwargs: Any) -> int:
        """As PyMongo's."""
        return await super().count_documents(self._narrowed(filter) or {}, *args, **kwargs)

    async def estimated_document_count(self, **kwargs: Any) -> int:  # type: ignore[override]
        """As PyMongo's; while there are strangers all others are counted, as no estimate tells them apart."""
        if self._condition is None:
            return await super().estimated_document_count(**kwargs)
        return await super().count_documents(self._condition, **kwargs)

    async def distinct(self, key: str, filter: Query = None, *args: Any, **kwargs: Any) -> list[Any]:
        """As PyMongo's."""
        return await super().distinct(key, self._narrowed(filter), *args, **kwargs)

    def _narrowed(self, query: Query) -> Query:
        return query if self._condition is None else narrowed(query, self._condition)

    def _read_preference_for(self, session: Any) -> Any:
        """Where PyMongo asks from which members to read, before each operation and batch."""
        preference = super()._read_preference_for(session)
        return preference if self._bound is not None else self._gate.preference(preference)

    async def _aggregate(
        self, aggregation_command: Any, pipeline: Any, cursor_class: Any, *args: Any, **kwargs: Any
    ) -> AsyncCommandCursor[Document]:
        if self._condition is not None:
            pipeline = narrowed_pipeline(pipeline, self._condition)
        return await super()._aggregate(aggregation_command, pipeline, ShardCommandCursor, *args, **kwargs)


class ShardCursor(AsyncCursor[Document]):
    """The answer to a query, fetched through the gate batch by batch."""

    def __init__(self, collection: ShardCollection, *args: Any, **kwargs: Any) -> None:
        super().__init__(collection, *args, **kwargs)
        self._gate = collection._gate

    async def _refresh(self) -> int:
        if self.session is not None:
            return await self._gate.passing(super()._refresh)
        return await self._gate.reading(super()._refresh)


class ShardCommandCursor(AsyncCommandCursor[Document]):
    """The answer to an aggregation, fetched through the gate batch by batch."""

    async def _refresh(self) -> int:
        collection = self._collection
        if not isinstance(collection, ShardCollection):
            raise TypeError("a shard's cursor reads a shard's collection")
        return await collection._gate.passing(super()._refresh)
