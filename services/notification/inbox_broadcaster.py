"""Live inboxes: one change stream per partition and process, distributed to the streams of its users.

A partition is followed while it has streams, and for a while after its last one.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from chassis.concurrency.backoff import Backoff, keep_reconnecting
from chassis.concurrency.tasks import cancel_until_done, run_until_first_exit
from chassis.errors import DomainError, overloaded, unavailable
from chassis.observability.logging import get_logger
from services.notification.domain.inbox import Notification

MAX_WAITING_ENTRIES: Final = 200
"""Waiting entries of one slow reader, beyond which its stream is ended."""
_OPENING_TIMEOUT_S: Final = 5.0
IDLE_CHECK_INTERVAL_S: Final = 15.0
"""How often it is checked whether a followed partition still has streams."""
_INBOX: Final = "The live inbox"

_log = get_logger()


class InboxChangeSource(Protocol):
    """A source of new inbox entries, partition by partition."""

    async def follow_each_partition(self, follow: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Keep `follow` running for each partition of the inboxes, until one of them ends."""
        ...

    def inbox_moves(self) -> AsyncIterator[None]:
        """Yield when inboxes may have moved to another partition."""
        ...

    def partition_of(self, recipient_id: str) -> str:
        """Return the partition that holds a user's inbox."""
        ...

    def watch_inserts(self, partition: str, opened: Callable[[], None]) -> AsyncIterator[Notification]:
        """Yield new entries in one partition; call `opened` once none is missed any more."""
        ...


class InboxListener:
    """One stream's waiting entries. Iterating yields them as they arrive, until the stream is ended."""

    def __init__(self, max_waiting: int = MAX_WAITING_ENTRIES) -> None:
        self._waiting: deque[Notification] = deque()
        self._max_waiting = max_waiting
        self._arrived = asyncio.Event()
        self._ended = False
        self._error: DomainError | None = None

    def offer(self, notification: Notification) -> None:
        """Add an entry; end the stream of a reader that is too slow for it, which has to resume."""
        if len(self._waiting) >= self._max_waiting:
            self._waiting.clear()
            self.end(overloaded(_INBOX))
        if not self._ended:
            self._waiting.append(notification)
            self._arrived.set()

    def end(self, error: DomainError | None = None) -> None:
        """End the stream after the waiting entries: cleanly, or with an error. The first end counts."""
        if not self._ended:
            self._ended, self._error = True, error
            self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Notification]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._error:
                raise self._error
            if self._ended:
                return
            self._arrived.clear()
            await self._arrived.wait()


class InboxBroadcaster:
    """Delivers new entries to their user's streams while `follow_inboxes` runs."""

    def __init__(
        self,
        source: InboxChangeSource,
        *,
        max_streams: int,
        max_streams_per_user: int,
        idle_check_interval_s: float = IDLE_CHECK_INTERVAL_S,
    ) -> None:
        self._source = source
        self._max_streams = max_streams
        self._max_streams_per_user = max_streams_per_user
        self._listeners: dict[str, dict[str, set[InboxListener]]] = defaultdict(lambda: defaultdict(set))
        self._open: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._wanted: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._idle_check_interval_s = idle_check_interval_s
        self._count: Counter[str] = Counter()
        self._closed = False

    async def follow_inboxes(self) -> None:
        """Follow every partition; end all streams cleanly when cancelled."""
        try:
            await run_until_first_exit(
                self._source.follow_each_partition(self._follow), self._end_moved_streams()
            )
        finally:
            await self.close()

    async def close(self) -> None:
        """End all streams cleanly and accept no more."""
        self._closed = True
        for name in tuple(self._listeners):
            self._end_all(name, None)

    async def _end_moved_streams(self) -> None:
        """End streams of inboxes that are in another partition now; their readers resume there."""
        async for _ in self._source.inbox_moves():
            for name, users in tuple(self._listeners.items()):
                for user_id in [user_id for user_id in users if self._source.partition_of(user_id) != name]:
                    for listener in tuple(users[user_id]):
                        listener.end(unavailable(_INBOX))

    @contextmanager
    def subscribe(self, user_id: str) -> Iterator[InboxListener]:
        """Hold a place for a stream, within the bounds per user and per process.

        Raises:
            DomainError: OVERLOADED when a bound is reached, UNAVAILABLE when this process is closing.
        """
        if self._closed:
            raise unavailable(_INBOX)
        if self._count.total() >= self._max_streams or self._count[user_id] >= self._max_streams_per_user:
            raise overloaded(_INBOX, retry_after_s=5.0)
        listener = InboxListener()
        name = self._source.partition_of(user_id)
        listeners = self._listeners[name]
        listeners[user_id].add(listener)
        self._wanted[name].set()
        self._count[user_id] += 1
        try:
            yield listener
        finally:
            self._unsubscribe(listeners, user_id, listener)

    async def wait_until_following(self, user_id: str) -> None:
        """Return once no new entry of this user is missed. Raises DomainError UNAVAILABLE."""
        try:
            async with asyncio.timeout(_OPENING_TIMEOUT_S):
                await self._open[self._source.partition_of(user_id)].wait()
        except TimeoutError:
            raise unavailable(_INBOX) from None

    def _unsubscribe(
        self, listeners: dict[str, set[InboxListener]], user_id: str, listener: InboxListener
    ) -> None:
        listeners[user_id].discard(listener)
        if not listeners[user_id]:
            del listeners[user_id]
        self._count[user_id] -= 1
        if not self._count[user_id]:
            del self._count[user_id]

    async def _follow(self, name: str) -> None:
        """Follow a partition whenever it has streams."""
        while True:
            await self._wanted[name].wait()
            following = asyncio.create_task(self._follow_inserts(name))
            unwanted = asyncio.create_task(self._wait_until_unwanted(name))
            try:
                await asyncio.wait({following, unwanted}, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
            finally:
                await cancel_until_done([following, unwanted])

    async def _wait_until_unwanted(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._idle_check_interval_s)
            if not self._listeners[name]:
                # In one step, so that a stream that comes now waits until it is followed again.
                self._open[name].clear()
                self._wanted[name].clear()
                return

    async def _follow_inserts(self, name: str) -> None:
        def end_streams() -> None:
            # Entries are missed until it is followed again, so readers resume from their last one.
            self._open[name].clear()
            self._end_all(name, unavailable(_INBOX))

        async def deliver_inserts(backoff: Backoff) -> None:
            async for notification in self._source.watch_inserts(name, self._open[name].set):
                backoff.reset()
                self._deliver(name, notification)
            end_streams()

        def report_error(error: Exception) -> None:
            _log.warning("live inboxes lost a partition", partition=name, error=str(error))
            end_streams()

        await keep_reconnecting(deliver_inserts, report_error)

    def _deliver(self, name: str, notification: Notification) -> None:
        for listener in tuple(self._listeners[name].get(notification.recipient_id, ())):
            listener.offer(notification)

    def _end_all(self, name: str, error: DomainError | None) -> None:
        for listeners in tuple(self._listeners[name].values()):
            for listener in tuple(listeners):
                listener.end(error)
