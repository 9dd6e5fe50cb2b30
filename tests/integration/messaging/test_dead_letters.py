"""Dead letters on a real broker: they stop nobody, are looked at without a trace, and come back once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from chassis.errors import DomainError
from chassis.messaging import IncomingEvent
from chassis.messaging.dead_letters import DeadLetterMessage, DeadLetterQueues
from chassis.messaging.message_bodies import OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.topology import count_messages
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import UserVerified
from ops.paths import REPO
from tests.integration.messaging.conftest import RelayController, emit
from tests.integration.messaging.test_events import RecordingHandler, consuming, wait_until
from tests.waiting import WAIT_TIMEOUT_S

REPLAY_AND_DIE = """
import os, signal, sys
from chassis.messaging.dead_letters import DeadLetterQueues

def die(done):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

DeadLetterQueues(sys.argv[1]).replay(sys.argv[2], lambda letter: True, die)
"""


@pytest.fixture
def letters(amqp_url: str) -> DeadLetterQueues:
    return DeadLetterQueues(amqp_url)


async def refuse(_: IncomingEvent) -> None:
    raise DomainError("USER_NOT_FOUND", "There is no such user.")


async def lying(letters: DeadLetterQueues, queue: str) -> list[DeadLetterMessage]:
    return await asyncio.to_thread(letters.peek, queue, 1_000)


async def dead(letters: DeadLetterQueues, queue: str, count: int) -> list[DeadLetterMessage]:
    """Return the dead letters as soon as there are this many."""
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        while len(found := await lying(letters, queue)) != count:
            await asyncio.sleep(0.1)
    return found


async def buried(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, count: int
) -> list[DeadLetterMessage]:
    """Return this number of dead events, in the order in which they lie."""
    async with consuming(amqp_url, queue, RecordingHandler(refuse)):
        relaying.start()
        await emit(shards, count)
        return await dead(DeadLetterQueues(amqp_url), queue, count)


def one_of(*ids: str) -> Callable[[DeadLetterMessage], bool]:
    return lambda letter: letter.id in ids


def every(_: DeadLetterMessage) -> bool:
    return True


def user_of(letter: DeadLetterMessage) -> str:
    message = UserVerified()
    assert letter.event
    letter.event.data.Unpack(message)
    return message.user_id


async def test_a_poison_message_dies_after_its_attempts_and_those_behind_it_are_handled(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, letters: DeadLetterQueues
) -> None:
    tries = Counter[str]()

    async def fail_on_the_first(incoming: IncomingEvent) -> None:
        tries[incoming.event_id] += 1
        if incoming.event_id == next(iter(tries)):
            raise RuntimeError("never works")

    seen = RecordingHandler(fail_on_the_first)
    async with consuming(amqp_url, queue, seen, max_attempts=2):
        relaying.start()
        (poisoned,) = await emit(shards)
        await wait_until(lambda: tries)
        behind = await emit(shards, 20)
        await wait_until(lambda: sorted(seen.users) == sorted(behind))
        (letter,) = await dead(letters, queue, 1)
    assert (user_of(letter), letter.attempts, tries[letter.id]) == (poisoned, 2, 2)


async def test_a_dead_letter_shows_its_event_and_why_it_failed(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, letters: DeadLetterQueues
) -> None:
    (letter,) = await buried(amqp_url, shards, relaying, queue, 1)
    assert letter.event
    assert (letter.type, letter.attempts) == ("auth.user.verified", 1)
    assert letter.error.startswith("USER_NOT_FOUND")
    assert letter.payload == {"user_id": letter.event.subject}
    assert (
        letter.time
        and letter.first_failed_at
        and letter.time <= letter.first_failed_at.replace(microsecond=999_999)
    )
    (summary,) = await asyncio.to_thread(letters.summarize, [queue])
    assert (summary.count, summary.oldest) == (1, letter.time)
    assert summary.types == {"auth.user.verified": 1}


async def test_looking_changes_neither_order_nor_number(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, letters: DeadLetterQueues
) -> None:
    before = [letter.id for letter in await buried(amqp_url, shards, relaying, queue, 12)]
    for most in (5, 1, 12, 3):
        found = await asyncio.to_thread(letters.peek, queue, most)
        assert [letter.id for letter in found] == before[:most]
    assert [letter.id for letter in await dead(letters, queue, 12)] == before


async def test_replaying_and_dropping_some_leaves_the_others_in_their_order(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, letters: DeadLetterQueues
) -> None:
    found = await buried(amqp_url, shards, relaying, queue, 8)
    ids = [letter.id for letter in found]
    assert await asyncio.to_thread(letters.replay, queue, one_of(ids[2], ids[5])) == 2
    assert await asyncio.to_thread(letters.delete, queue, one_of(ids[0], "evt_unknown")) == 1
    left = [ids[1], ids[3], ids[4], ids[6], ids[7]]
    assert [letter.id for letter in await dead(letters, queue, 5)] == left
    seen = RecordingHandler()
    async with consuming(amqp_url, queue, seen):
        await wait_until(lambda: len(seen.users) == 2)
    assert sorted(seen.users) == sorted([user_of(found[2]), user_of(found[5])])


async def test_a_replayed_event_has_all_its_attempts_again_and_dies_again(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, letters: DeadLetterQueues
) -> None:
    (letter,) = await buried(amqp_url, shards, relaying, queue, 1)
    await asyncio.to_thread(letters.replay, queue, every)
    assert await lying(letters, queue) == []

    async def fail(_: IncomingEvent) -> None:
        raise RuntimeError("another reason")

    async with consuming(amqp_url, queue, RecordingHandler(fail), max_attempts=2):
        (again,) = await dead(letters, queue, 1)
    assert (again.id, again.attempts, again.error) == (letter.id, 2, "RuntimeError: another reason")


async def test_a_replay_that_is_killed_in_the_middle_loses_nothing_and_has_its_effect_once(
    amqp_url: str, shards: Shards, relaying: RelayController, queue: str, letters: DeadLetterQueues
) -> None:
    ids = {letter.id for letter in await buried(amqp_url, shards, relaying, queue, 10)}
    command = [sys.executable, "-c", REPLAY_AND_DIE, amqp_url, queue]
    environment = dict(os.environ) | {"PYTHONPATH": f"{REPO}:{REPO / 'gen'}"}
    killed = await asyncio.to_thread(subprocess.run, command, env=environment, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    left = {letter.id for letter in await dead(letters, queue, 8)}
    assert count_messages(amqp_url, [queue]) == 3
    assert await asyncio.to_thread(letters.replay, queue, every) == 8
    handled = list[str]()

    async def once(incoming: IncomingEvent) -> None:
        async def work(tx: Transaction) -> None:
            await tx.db["effects"].insert_one({"event": incoming.event_id})

        await shards.shard_for(incoming.subject).run_in_transaction(work, event=incoming)
        handled.append(incoming.event_id)

    async with consuming(amqp_url, queue, RecordingHandler(once)):
        await wait_until(lambda: len(handled) == 11)
    effects = [
        row["event"] for shard in shards.all_shards() for row in await shard.db["effects"].find().to_list()
    ]
    assert sorted(effects) == sorted(ids)
    assert left < ids


async def test_a_message_that_is_no_event_is_shown_and_dropped_by_the_id_it_was_sent_with(
    amqp_url: str, queue: str, letters: DeadLetterQueues
) -> None:
    publisher = EventPublisher(amqp_url)
    async with consuming(amqp_url, queue, RecordingHandler()):
        await publisher.publish([OutgoingEvent("evt_1", "auth.user.verified", b"\xff\xff")])
        (letter,) = await dead(letters, queue, 1)
    await publisher.close()
    assert (letter.id, letter.type, letter.event, letter.payload) == ("evt_1", "", None, None)
    assert letter.error.startswith("not an event")
    assert await asyncio.to_thread(letters.delete, queue, one_of("evt_1")) == 1
    assert await lying(letters, queue) == []
