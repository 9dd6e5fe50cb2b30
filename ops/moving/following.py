"""Follows what changes on the source while slots move: each changed document is made equal on the target."""

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure

from chassis.messaging.relay import FORGOTTEN
from chassis.mongo.catalogue import CLUSTER
from ops.moving.claim import MOVER
from ops.moving.documents import Cargo, Document, Namespace, Page, Progress, in_slots

BATCH: Final = 500
AWAIT_MS: Final = 50
_MARKER: Final = {"_id": "marker"}


class ForgottenError(Exception):
    """The source does not know any more what has changed since the copy began."""


class Following:
    """A stream of changes, applied in rounds; `session` reads what is at least as new as they are."""

    def __init__(
        self,
        cargo: Cargo,
        stream: AsyncChangeStream[Document],
        session: AsyncClientSession,
        progress: Progress,
    ) -> None:
        self._cargo = cargo
        self._stream = stream
        self.session = session
        self._progress = progress

    async def round(self) -> float:
        """Applies all that was written before now; the seconds it took.

        A mark is left among the changes: whoever has read it has read all that was written before. Raises
        ForgottenError.
        """
        started = time.monotonic()
        marker = await self._mark()
        changed: dict[Namespace, dict[Any, None]] = {}
        while True:
            with _remembered():
                change = await self._stream.try_next()
            if change is None:
                continue
            namespace = Namespace(change["ns"]["db"], change["ns"]["coll"])
            if namespace.collection != MOVER:
                changed.setdefault(namespace, {})[change["documentKey"]["_id"]] = None
            elif change["fullDocument"]["value"] == marker:
                break
            if sum(map(len, changed.values())) >= BATCH:
                await self._make_equal(changed)
                changed = {}
        await self._make_equal(changed)
        return time.monotonic() - started

    async def _mark(self) -> str:
        value = secrets.token_hex(8)
        marks = self._cargo.client(self._cargo.source)[CLUSTER][MOVER]
        await marks.replace_one(_MARKER, {"value": value}, upsert=True)
        return value

    async def _make_equal(self, changed: dict[Namespace, dict[Any, None]]) -> None:
        """Copies those of the changed documents that are there, removes those that are not."""
        self._progress.token = self._stream.resume_token

        async def read() -> Page:
            page = Page()
            for namespace, ids in changed.items():
                query = {"_id": {"$in": list(ids)}} | self._cargo.query
                rows = self._cargo.at_source(namespace).find(query, hint="_id_", session=self.session)
                page.found[namespace] = await rows.to_list()
                there = {row["_id"] for row in page.found[namespace]}
                page.gone[namespace] = [id_ for id_ in ids if id_ not in there]
            return page

        await self._cargo.put(read, self._progress)


@asynccontextmanager
async def following(cargo: Cargo, progress: Progress) -> AsyncIterator[Following]:
    """Follows on from where the progress says. Raises ForgottenError."""
    start: dict[str, Any] = (
        {"resume_after": progress.token} if progress.token else {"start_at_operation_time": progress.start}
    )
    client = cargo.client(cargo.source)
    async with cargo.session_after(progress.start) as session:
        with _remembered():
            stream = await client.watch(_changes(cargo), max_await_time_ms=AWAIT_MS, session=session, **start)
        async with stream:
            yield Following(cargo, stream, session, progress)


@contextmanager
def _remembered() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code not in FORGOTTEN:
            raise
        raise ForgottenError from error


def _changes(cargo: Cargo) -> list[Document]:
    """Updates and removals do not say of which slot their documents are: they are looked up."""
    followed = [each for each in cargo.namespaces if not each.is_outbox]
    own = {
        "ns.db": {"$in": sorted({each.database for each in followed})},
        "ns.coll": {"$in": sorted({each.collection for each in followed})},
    }
    mark = {"ns.db": CLUSTER, "ns.coll": MOVER, "documentKey._id": _MARKER["_id"]}
    of_any_slot = own | {"operationType": {"$in": ["update", "delete"]}}
    of_slots = own | {"operationType": {"$in": ["insert", "replace"]}}
    return [
        {"$match": {"$or": [mark, of_any_slot, of_slots | in_slots(cargo.spans, "fullDocument.slot")]}},
        {"$project": {"ns": 1, "documentKey": 1, "fullDocument.value": 1}},
    ]
