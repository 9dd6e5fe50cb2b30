"""Erasing people: two sweeps around the time in which events settle, and no way back for late events."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message

from chassis.erasures import ErasePeople, LateEvents, people_of
from chassis.messaging import IncomingEvent, ReceivedEvent
from chassis.sharding.erased_people import PendingErasure, tombstone_key
from internshipconnect.events.v1 import events_pb2 as events

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SETTLE = timedelta(seconds=90)
ADA, BOB = "usr_01JD0000000000000000000000", "usr_01JD0000000000000000000001"


class ManualClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class FakeTombstones:
    """Keeps tombstones as `ErasedPeople` does: `due` until the erasure is acknowledged."""

    def __init__(self) -> None:
        self.first: dict[str, datetime] = {}
        self.due: dict[str, datetime] = {}
        self.acknowledged: list[str] = []
        self.answers = {ADA, BOB}

    async def request_erasure(self, user_id: str, now: datetime) -> None:
        self.first.setdefault(user_id, now)
        self.due[user_id] = now

    async def list_due(self, now: datetime, limit: int) -> list[PendingErasure]:
        due = [user_id for user_id, at in self.due.items() if at <= now]
        return [PendingErasure(user_id, self.first[user_id]) for user_id in due[:limit]]

    async def postpone(self, user_id: str, until: datetime) -> None:
        self.due[user_id] = until

    async def acknowledge(self, user_id: str, event: Message) -> None:
        del self.due[user_id]
        self.acknowledged.append(user_id)

    async def remove_answers(self, user_id: str) -> None:
        self.answers.discard(user_id)

    async def find_erased(self, user_ids: Collection[str]) -> frozenset[str]:
        return frozenset(user_ids) & self.first.keys()


class Service:
    """A service that holds records of people; `failures` is how often sweeping each of them fails."""

    def __init__(self) -> None:
        self.clock, self.tombstones = ManualClock(), FakeTombstones()
        self.records = {ADA: 3, BOB: 1}
        self.failures: dict[str, int] = {}
        self.erasing = ErasePeople(
            self.tombstones,
            self.erase,
            lambda user_id: events.UserPersonErased(user_id=user_id),
            self.clock,
            SETTLE,
        )

    async def erase(self, user_id: str) -> None:
        if self.failures.get(user_id, 0):
            self.failures[user_id] -= 1
            self.records[user_id] -= 1
            raise ConnectionError("the shard went away half way")
        self.records.pop(user_id, None)


@pytest.fixture
def service() -> Service:
    return Service()


def event(message: Message) -> ReceivedEvent:
    return ReceivedEvent(message, IncomingEvent("evt_1", "a.b.c", "auth", ADA, NOW, "", "a-queue"))


async def test_a_person_is_swept_at_once_and_again_before_the_answer(service: Service) -> None:
    await service.erasing.request_erasure(ADA)
    await service.erasing.erase_due()
    assert ADA not in service.records
    assert service.tombstones.answers == {BOB}
    assert service.tombstones.acknowledged == []
    service.records[ADA] = 1  # written by a call that was under way
    service.clock.time += SETTLE
    await service.erasing.erase_due()
    assert ADA not in service.records
    assert service.tombstones.acknowledged == [ADA]


async def test_until_the_time_to_settle_is_over_nobody_is_swept_again(service: Service) -> None:
    await service.erasing.request_erasure(ADA)
    await service.erasing.erase_due()
    service.clock.time += SETTLE - timedelta(seconds=1)
    service.records[ADA] = 1
    await service.erasing.erase_due()
    assert service.records[ADA] == 1
    assert service.tombstones.acknowledged == []


async def test_a_sweep_that_breaks_off_goes_on_later_and_holds_up_nobody(service: Service) -> None:
    service.failures[ADA] = 2
    for user_id in (ADA, BOB):
        await service.erasing.request_erasure(user_id)
    await service.erasing.erase_due()
    assert service.records == {ADA: 2}
    await service.erasing.erase_due()
    await service.erasing.erase_due()
    assert service.records == {}
    service.clock.time += SETTLE
    await service.erasing.erase_due()
    assert sorted(service.tombstones.acknowledged) == [ADA, BOB]


async def test_a_repeated_request_is_answered_again(service: Service) -> None:
    for _ in range(2):
        await service.erasing.request_erasure(ADA)
        service.clock.time += SETTLE
        await service.erasing.erase_due()
    assert service.tombstones.acknowledged == [ADA, ADA]


async def test_events_about_erased_people_are_dropped_and_the_others_keep_their_order(
    service: Service,
) -> None:
    await service.erasing.request_erasure(ADA)
    late = [
        event(events.UserVerified(user_id=ADA)),
        event(events.UserVerified(user_id=BOB)),
        event(events.ApplicationSubmitted(application=events.ApplicationFacts(student_id=ADA))),
        event(events.ApplicationSubmitted(application=events.ApplicationFacts(student_id=BOB))),
        event(events.InternshipStateChanged()),
    ]
    kept = await LateEvents(service.tombstones).drop(late)
    assert kept == [late[1], late[3], late[4]]
    assert await LateEvents(service.tombstones).drop([]) == []


async def test_a_guarded_handler_sees_only_events_about_others(service: Service) -> None:
    await service.erasing.request_erasure(ADA)
    handled: list[str] = []

    async def handle(message: events.UserVerified, _: IncomingEvent) -> None:
        handled.append(message.user_id)

    guarded = LateEvents(service.tombstones).guard(handle)
    for user_id in (ADA, BOB):
        received = event(events.UserVerified(user_id=user_id))
        await guarded(received.message, received.incoming)
    assert handled == [BOB]


def test_an_event_without_a_person_is_about_nobody() -> None:
    assert list(people_of(events.ApplicationSubmitted(application=events.ApplicationFacts()))) == []


def test_a_tombstone_does_not_say_whose_it_is() -> None:
    key = tombstone_key(ADA)
    assert len(key) == 64
    assert ADA not in key
    assert key != tombstone_key(BOB)
