"""Changes of aggregates: none is lost, each takes effect once with its events, a refusal leaves nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import DuplicateKeyError

from chassis.aggregates import AggregateChange
from chassis.errors import DomainError, domain_error
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import Document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding import slot_repository as module
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import UPDATE_RETRY_POLICY, SlotRepository
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import UserVerified


@dataclass(frozen=True)
class Counter:
    id: str
    steps: tuple[int, ...] = ()
    version: int = 1

    def with_step(self, step: int) -> AggregateChange["Counter"]:
        after = replace(self, steps=(*self.steps, step), version=self.version + 1)
        return AggregateChange(after, (f"step {step}",))


@dataclass
class FakeCollection:
    """Documents by ID, as one shard keeps them; every command gives way to other tasks."""

    documents: dict[str, Document] = field(default_factory=dict)

    async def find_one(self, query: Document, **_: Any) -> Document | None:
        await asyncio.sleep(0)
        return self.documents.get(query["_id"])

    async def insert_one(self, document: Document) -> None:
        await asyncio.sleep(0)
        if document["_id"] in self.documents:
            raise DuplicateKeyError("there already")
        self.documents[document["_id"]] = document

    async def replace_one(self, query: Document, document: Document, **_: Any) -> Any:
        stored = self.documents.get(query["_id"])
        matches = stored is not None and all(stored[name] == value for name, value in query.items())
        if matches:
            self.documents[query["_id"]] = document
        return type("Result", (), {"matched_count": int(matches)})


@dataclass
class FakeShard:
    """A shard that carries out transactions one after the other, and can be disturbed before each."""

    collection: FakeCollection = field(default_factory=FakeCollection)
    emitted: list[tuple[str, str]] = field(default_factory=list)
    handled: set[str] = field(default_factory=set)
    before_commit: Callable[[], None] = lambda: None

    @property
    def db(self) -> Any:
        return {"counters": self.collection}

    async def run_in_transaction(
        self,
        work: Callable[[Transaction], Awaitable[Any]],
        *,
        event: IncomingEvent | None = None,
        slot: int | None = None,
    ) -> Any:
        await asyncio.sleep(0)
        self.before_commit()
        if event is not None and event.event_id in self.handled:
            return None
        tx = FakeTransaction(self)
        result = await work(cast(Transaction, tx))
        for document in tx.added:
            if document["_id"] in self.collection.documents:
                raise DuplicateKeyError("there already")
            self.collection.documents[document["_id"]] = document
        self.emitted += tx.events
        if event is not None:
            self.handled.add(event.event_id)
        return result


class FakeTransaction:
    def __init__(self, shard: FakeShard) -> None:
        self.db = {"counters": shard.collection}
        self.added: list[Document] = []
        self.events: list[tuple[str, str]] = []

    def insert_at_commit(self, _collection: str, document: Document) -> None:
        self.added.append(document)

    def emit(self, message: Message, *, subject: str) -> None:
        assert isinstance(message, UserVerified)
        self.events.append((subject, message.user_id))


@dataclass
class FakeShards:
    shard: FakeShard = field(default_factory=FakeShard)

    def shard_for(self, _id: str | int) -> FakeShard:
        return self.shard


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPDATE_RETRY_POLICY", replace(UPDATE_RETRY_POLICY, initial_s=0.0))


@pytest.fixture
def shard() -> FakeShard:
    return FakeShard()


class CounterRepository(Repository[Counter]):
    """Counters; `step_with_neighbour` also writes another document of the slot."""

    def __init__(self, shard: FakeShard, **options: Any) -> None:
        super().__init__(
            cast(Shards, FakeShards(shard)),
            CollectionSpec("counters", shard_key="slot"),
            Counter,
            resource="counter",
            not_found_reason="USER_NOT_FOUND",
            encode_event=lambda event: UserVerified(user_id=event),
            **options,
        )

    async def step_with_neighbour(
        self, id_: str, number: int, *, handling: IncomingEvent | None = None
    ) -> str | None:
        async def work(tx: Transaction) -> str:
            before = await self._find_in(tx.db, id_)
            change = (before or Counter(id_)).with_step(number)
            await self._apply_or_abort(tx, id_, before, change)
            tx.insert_at_commit("neighbours", {"_id": f"{id_}:{number}"})
            return f"stepped {number}"

        return await self._change_in_transaction(id_, work, handling=handling)


def counters(shard: FakeShard, *, is_serialised: bool = False) -> CounterRepository:
    return CounterRepository(shard, is_serialised=is_serialised)


def event_about(subject: str) -> IncomingEvent:
    return IncomingEvent(new_id("evt"), "auth.user.verified", "auth", subject, datetime.now(UTC), "", "q")


def step(number: int) -> Callable[[Counter], AggregateChange[Counter]]:
    return lambda seen: seen.with_step(number)


async def test_an_aggregate_is_read_as_it_was_stored_in_its_slot(shard: FakeShard) -> None:
    repository = counters(shard)
    counter = await repository.insert(Counter(new_id("usr")), "made")
    assert await repository.get_or_raise(counter.id) == counter
    assert shard.collection.documents[counter.id]["slot"] == slot_of(counter.id)
    assert shard.emitted == [(counter.id, "made")]


async def test_a_missing_aggregate_is_none_or_the_error_of_its_kind(shard: FakeShard) -> None:
    missing = new_id("usr")
    repository = counters(shard)
    assert await repository.get(missing) is None
    for call in (repository.get_or_raise(missing), repository.update(missing, step(1))):
        with pytest.raises(DomainError) as refused:
            await call
        assert (refused.value.reason, refused.value.resource) == ("USER_NOT_FOUND", ("counter", missing))


async def test_inserting_again_gives_the_first_one_and_emits_nothing(shard: FakeShard) -> None:
    repository = counters(shard)
    first = await repository.insert(Counter(new_id("usr"), (1,)), "made")
    assert await repository.insert(replace(first, steps=(2,)), "made again") == first
    assert shard.emitted == [(first.id, "made")]


@given(rivals=st.integers(1, 6), is_serialised=st.booleans(), from_known=st.booleans())
def test_of_changes_at_once_none_is_lost_and_each_is_emitted_once(
    rivals: int, is_serialised: bool, from_known: bool
) -> None:
    async def race() -> None:
        shard = FakeShard()
        repository = counters(shard, is_serialised=is_serialised)
        start = await repository.insert(Counter(new_id("usr")))
        known = start if from_known else None
        await asyncio.gather(*(repository.update(start.id, step(n), known=known) for n in range(rivals)))
        stored = await repository.get_or_raise(start.id)
        assert sorted(stored.steps) == list(range(rivals))
        assert stored.version == 1 + rivals
        assert shard.emitted == [(start.id, f"step {n}") for n in stored.steps]

    asyncio.run(race())


async def test_who_loses_decides_on_what_is_stored_by_then(shard: FakeShard) -> None:
    repository = counters(shard)
    stale = await repository.insert(Counter(new_id("usr")))
    await repository.update(stale.id, step(1))
    assert (await repository.update(stale.id, step(2), known=stale)).steps == (1, 2)


async def test_a_change_that_others_always_forestall_is_refused_as_overloaded(shard: FakeShard) -> None:
    repository = counters(shard)
    counter = await repository.insert(Counter(new_id("usr")))
    attempts = 0

    def forestall() -> None:
        nonlocal attempts
        attempts += 1
        shard.collection.documents[counter.id]["version"] += 1

    shard.before_commit = forestall
    with pytest.raises(DomainError) as refused:
        await repository.update(counter.id, step(1))
    assert refused.value.reason == "OVERLOADED"
    assert attempts == UPDATE_RETRY_POLICY.max_attempts
    assert shard.emitted == []


async def test_a_decision_for_nothing_costs_no_transaction(shard: FakeShard) -> None:
    repository = counters(shard)
    counter = await repository.insert(Counter(new_id("usr")))
    shard.before_commit = lambda: pytest.fail("a transaction")
    assert await repository.update(counter.id, lambda _: None) == counter
    assert await repository.upsert(new_id("usr"), lambda _: None) is None


async def test_a_refusal_leaves_nothing(shard: FakeShard) -> None:
    repository = counters(shard)
    counter = await repository.insert(Counter(new_id("usr")))

    def refuse(_: Counter) -> AggregateChange[Counter]:
        raise domain_error("ILLEGAL_TRANSITION", "no")

    for handling in (None, event_about(counter.id)):
        with pytest.raises(DomainError, match="no"):
            await repository.update(counter.id, refuse, handling=handling)
    assert await repository.get(counter.id) == counter
    assert shard.emitted == []


async def test_an_event_changes_an_aggregate_once_and_its_repeat_decides_nothing(shard: FakeShard) -> None:
    repository = counters(shard)
    counter = await repository.insert(Counter(new_id("usr")))
    incoming = event_about(counter.id)
    await repository.update(counter.id, step(1), handling=incoming)
    repeated = await repository.update(
        counter.id, lambda _: cast(Any, pytest.fail("decided again")), handling=incoming
    )
    assert repeated.steps == (1,)
    assert shard.emitted == [(counter.id, "step 1")]


async def test_what_is_missing_can_be_created_even_if_another_creates_it_first(shard: FakeShard) -> None:
    repository = counters(shard)
    id_ = new_id("usr")

    def create_or_step(number: int) -> Callable[[Counter | None], AggregateChange[Counter]]:
        return lambda seen: (seen or Counter(id_)).with_step(number)

    await asyncio.gather(*(repository.upsert(id_, create_or_step(number)) for number in range(3)))
    assert sorted((await repository.get_or_raise(id_)).steps) == [0, 1, 2]


async def test_events_may_be_emitted_without_a_change(shard: FakeShard) -> None:
    repository = counters(shard)
    id_ = new_id("usr")
    assert await repository.upsert(id_, lambda _: AggregateChange(events=("seen",))) is None
    assert shard.emitted == [(id_, "seen")]


async def test_another_holder_of_a_unique_key_is_named(shard: FakeShard) -> None:
    class Unique(Repository[Counter]):
        async def _explain_duplicate(self, aggregate: Counter) -> DomainError | None:
            return domain_error("ALREADY_APPLIED", f"{aggregate.id} is second")

    repository = Unique(
        cast(Shards, FakeShards(shard)),
        CollectionSpec("counters"),
        Counter,
        resource="counter",
        not_found_reason="USER_NOT_FOUND",
        encode_event=lambda event: UserVerified(user_id=event),
    )

    def conflict() -> None:
        raise DuplicateKeyError("unique")

    shard.before_commit = conflict
    counter = Counter(new_id("usr"))
    for call in (repository.insert(counter), repository.upsert(counter.id, lambda _: counter.with_step(1))):
        with pytest.raises(DomainError, match="is second"):
            await call


async def test_an_aggregate_changes_together_with_its_neighbours(shard: FakeShard) -> None:
    repository = counters(shard)
    id_ = new_id("usr")
    assert await repository.step_with_neighbour(id_, 1) == "stepped 1"
    assert (await repository.get_or_raise(id_)).steps == (1,)
    assert f"{id_}:1" in shard.collection.documents
    assert shard.emitted == [(id_, "step 1")]


async def test_changes_with_neighbours_at_once_are_repeated_until_each_is_stored(shard: FakeShard) -> None:
    repository = counters(shard)
    id_ = new_id("usr")
    answers = await asyncio.gather(*(repository.step_with_neighbour(id_, n) for n in range(4)))
    assert answers == [f"stepped {n}" for n in range(4)]
    assert sorted((await repository.get_or_raise(id_)).steps) == [0, 1, 2, 3]
    assert all(f"{id_}:{n}" in shard.collection.documents for n in range(4))


async def test_of_a_change_that_is_lost_no_neighbour_is_stored(shard: FakeShard) -> None:
    class Forestalled(CounterRepository):
        async def _write(self, tx: Transaction, before: Counter | None, after: Counter) -> bool:
            return False

    id_ = new_id("usr")
    with pytest.raises(DomainError) as refused:
        await Forestalled(shard).step_with_neighbour(id_, 1)
    assert refused.value.reason == "OVERLOADED"
    assert (shard.collection.documents, shard.emitted) == ({}, [])


async def test_an_event_changes_an_aggregate_with_its_neighbours_once(shard: FakeShard) -> None:
    repository = counters(shard)
    id_ = new_id("usr")
    incoming = event_about(id_)
    assert await repository.step_with_neighbour(id_, 1, handling=incoming) == "stepped 1"
    assert await repository.step_with_neighbour(id_, 2, handling=incoming) is None
    assert (await repository.get_or_raise(id_)).steps == (1,)


async def test_a_single_document_without_events_costs_no_transaction(shard: FakeShard) -> None:
    def without_events(seen: Counter) -> AggregateChange[Counter]:
        return AggregateChange(seen.with_step(1).aggregate)

    repository = CounterRepository(shard, is_single_document=True)
    shard.before_commit = lambda: pytest.fail("a transaction")
    counter = await repository.insert(Counter(new_id("usr")))
    assert await repository.insert(replace(counter, steps=(9,))) == counter
    assert (await repository.update(counter.id, without_events)).steps == (1,)
    assert (await repository.update(counter.id, without_events, known=counter)).steps == (1, 1)

    commits = 0

    def count_commit() -> None:
        nonlocal commits
        commits += 1

    shard.before_commit = count_commit
    await repository.update(counter.id, step(2))
    assert (commits, shard.emitted) == (1, [(counter.id, "step 2")])


async def test_states_are_told_apart_by_the_fields_that_a_repository_names(shard: FakeShard) -> None:
    repository = CounterRepository(shard, compared_fields=("steps",))
    counter = await repository.insert(Counter(new_id("usr")))
    shard.collection.documents[counter.id]["version"] = 7
    shard.collection.documents[counter.id]["steps"] = ()
    assert (await repository.update(counter.id, step(1), known=counter)).steps == (1,)
    with pytest.raises(TypeError, match="Counter has no etag"):
        CounterRepository(shard, compared_fields=("etag",))


async def test_what_may_not_be_inserted_leaves_nothing(shard: FakeShard) -> None:
    class Closed(CounterRepository):
        async def _check_insert(self, tx: Transaction, aggregate: Counter) -> None:
            raise domain_error("USER_NOT_FOUND", f"{aggregate.id} was deleted")

    with pytest.raises(DomainError, match="was deleted"):
        await Closed(shard).insert(Counter(new_id("usr")), "made")
    assert (shard.collection.documents, shard.emitted) == ({}, [])


async def test_a_repository_without_events_refuses_to_emit_one(shard: FakeShard) -> None:
    class Silent(SlotRepository):
        async def emit_one(self, id_: str) -> None:
            async def work(tx: Transaction) -> None:
                self._emit(tx, id_, ["stepped"])

            await self._change_in_transaction(id_, work)

    silent = Silent(cast(Shards, FakeShards(shard)), resource="thing", metrics_label="things")
    with pytest.raises(TypeError, match="things emits no events"):
        await silent.emit_one(new_id("usr"))
