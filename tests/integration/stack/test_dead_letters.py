"""`ic dlq` and `ic outbox` on the stack under test."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from kombu import Connection, Producer

from chassis.ids import new_id
from internshipconnect.events.v1.events_pb2 import Event, UserVerified
from ops.paths import REPO
from ops.service_names import SERVICES
from tests.stack import StackHandle, wait_until_blocking

QUEUE = "search-indexing"


def ic(stack: StackHandle, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.cli", *arguments, "--stack", stack.topology.name]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=60)


def answered(stack: StackHandle, *arguments: str) -> Any:
    done = ic(stack, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def lying(stack: StackHandle) -> list[Any]:
    found: list[Any] = answered(stack, "dlq", "show", QUEUE)["letters"]
    return found


@pytest.fixture
def poison(stack: StackHandle) -> str:
    """Publish an event for the index with another event's payload; it dies at once."""
    subject = new_id("int")
    event = Event(
        id=new_id("evt"),
        source="test",
        type="internship.internship.created",
        subject=subject,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    event.time.FromDatetime(datetime.now(UTC))
    event.data.Pack(UserVerified(user_id=subject))
    with Connection(stack.amqp_url, transport_options={"confirm_publish": True}) as connection:
        Producer(connection.channel()).publish(
            event.SerializeToString(),
            exchange="",
            routing_key=QUEUE,
            content_type="application/x-protobuf",
            content_encoding="binary",
        )
    wait_until_blocking(lambda: event.id in [each["id"] for each in lying(stack)], "the event to die")
    return event.id


def test_dead_letters_are_listed_shown_replayed_and_dropped(stack: StackHandle, poison: str) -> None:
    queues = {each["queue"]: each for each in answered(stack, "dlq", "list")["queues"]}
    assert queues[QUEUE]["count"] == 1
    assert queues[QUEUE]["events"] == {"internship.internship.created": 1}
    assert queues["analytics-processing"]["count"] == 0
    (letter,) = lying(stack)
    assert (letter["id"], letter["attempts"], letter["payload"]) == (poison, 1, None)
    assert "carries" in letter["error"]
    assert letter["trace_id"] == "0af7651916cd43dd8448eb211c80319c"

    replayed = ic(stack, "dlq", "replay", QUEUE, poison)
    assert "1 dead letters of 'search-indexing' given back" in replayed.stdout
    wait_until_blocking(lambda: lying(stack), "it to die again")

    unasked = ic(stack, "dlq", "drop", QUEUE, "--all")
    assert unasked.returncode != 0
    assert lying(stack)
    dropped = ic(stack, "dlq", "drop", f"{QUEUE}.dead", "--all", "--yes")
    assert "1 dead letters of 'search-indexing' dropped" in dropped.stdout
    assert lying(stack) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dlq", "show", "nowhere"], "there is no queue 'nowhere'"),
        (["dlq", "replay", QUEUE], "say which dead letters"),
        (["dlq", "drop", QUEUE, "evt_1", "--yes"], "has no dead letters of these IDs"),
        (["replay", "--service", "search", "--since", "yesterday"], "--since takes a time"),
    ],
)
def test_a_mistake_ends_in_a_sentence(stack: StackHandle, arguments: list[str], says: str) -> None:
    done = ic(stack, *arguments)
    assert done.returncode == 1
    assert says in done.stdout


def test_each_outbox_is_relayed_by_the_worker_of_its_service(stack: StackHandle) -> None:
    found = answered(stack, "outbox", "status")["outboxes"]
    shards = [shard.name for shard in stack.topology.shards]
    assert [(each["shard"], each["service"]) for each in found] == [
        (shard, service) for shard in shards for service in SERVICES
    ]
    assert {(each["service"], each["holder"]) for each in found} == {
        (service, f"{service}-work") for service in SERVICES
    }
    assert all(0 < each["lease_s"] <= 6.5 and not each["problem"] for each in found)
