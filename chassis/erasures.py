"""Erasing people: a service sweeps what it holds of them, lets events in flight arrive, and sweeps again."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from google.protobuf.message import Message

from chassis.clock import Clock
from chassis.messaging import EventHandler, IncomingEvent, ReceivedEvent
from chassis.observability.logging import get_logger
from chassis.roles.periodic_tasks import PeriodicTask
from chassis.sharding.erased_people import PendingErasure

MAX_ERASED_PER_RUN: Final = 50
"""Of each shard, after which the next run goes on."""
ERASURE_INTERVAL_S: Final = 5.0
_PERSON_FIELDS: Final = ("user_id", "student_id", "recipient_id")

_log = get_logger()

ErasePerson = Callable[[str], Awaitable[None]]
"""Erases all that a service holds of a person; may be broken off anywhere, and is repeated then."""


class Tombstones(Protocol):
    """See `chassis.sharding.erased_people.ErasedPeople`."""

    async def request_erasure(self, user_id: str, now: datetime) -> None: ...

    async def list_due(self, now: datetime, limit: int) -> list[PendingErasure]: ...

    async def postpone(self, user_id: str, until: datetime) -> None: ...

    async def acknowledge(self, user_id: str, event: Message) -> None: ...

    async def remove_answers(self, user_id: str) -> None: ...

    async def find_erased(self, user_ids: Collection[str]) -> frozenset[str]: ...


class ErasePeople:
    """The erasures of one service.

    The second sweep comes after `settle`: by then no call and no event of before the tombstone is under way.
    """

    def __init__(
        self,
        tombstones: Tombstones,
        erase: ErasePerson,
        erased_event: Callable[[str], Message],
        clock: Clock,
        settle: timedelta,
    ) -> None:
        self._tombstones = tombstones
        self._erase = erase
        self._erased_event = erased_event
        self._clock = clock
        self._settle = settle

    async def request_erasure(self, user_id: str) -> None:
        """Store the person's tombstone; the sweeps follow. A repeat has the person swept once more."""
        await self._tombstones.request_erasure(user_id, self._clock.now())

    async def erase_due(self) -> None:
        """Sweep the people who are due; one who cannot be swept now stays due, and holds up no other."""
        for pending in await self._tombstones.list_due(self._clock.now(), MAX_ERASED_PER_RUN):
            try:
                await self._sweep(pending)
            except Exception as error:
                _log.warning("person not erased yet", error=repr(error))

    async def _sweep(self, pending: PendingErasure) -> None:
        settled = pending.request_time + self._settle
        is_settled = settled <= self._clock.now()
        await self._erase(pending.user_id)
        await self._tombstones.remove_answers(pending.user_id)
        if is_settled:
            await self._tombstones.acknowledge(pending.user_id, self._erased_event(pending.user_id))
        else:
            await self._tombstones.postpone(pending.user_id, settled)

    def periodic_task(self) -> PeriodicTask:
        """Return the job that sweeps."""
        return PeriodicTask("erase-people", ERASURE_INTERVAL_S, self.erase_due)


class LateEvents:
    """Drops events about people with a tombstone, so that none of them comes back."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones

    async def drop(self, received: Sequence[ReceivedEvent]) -> list[ReceivedEvent]:
        """Return the events of a batch that are about nobody who is erased."""
        people = {each: frozenset(people_of(received[each].message)) for each in range(len(received))}
        erased = await self._tombstones.find_erased(frozenset().union(*people.values()))
        return [received[each] for each, named in people.items() if not named & erased]

    def guard(self, handler: EventHandler) -> EventHandler:
        """Return a handler that passes on the events about people who are not erased."""

        async def handle(message: Message, incoming: IncomingEvent) -> None:
            if await self.drop([ReceivedEvent(message, incoming)]):
                await handler(message, incoming)

        return handle


def people_of(message: Message) -> Iterator[str]:
    """Yield the people an event is about: its own field of them, and that of a message in it."""
    for field, value in message.ListFields():
        if field.name in _PERSON_FIELDS and isinstance(value, str):
            yield value
        elif field.message_type is not None and isinstance(value, Message):
            yield from people_of(value)
