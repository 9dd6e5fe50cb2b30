"""One request, one trace: from the gateway's traceparent to the handler of the event, received over OTLP."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from chassis.ids import new_id
from chassis.messaging import IncomingEvent, QueueSubscription
from chassis.messaging.consumer import EventConsumers
from chassis.observability import tracing
from chassis.observability.otlp_recorder import OtlpRecorder
from chassis.redis.client import connect_redis
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.integration.messaging.conftest import (  # noqa: F401 - fixtures
    RelayController,
    amqp_url,
    relaying,
    shards,
    stack,
)
from tests.otlp import OtlpReceiver, running_otlp_receiver
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

TRACE = "0af7651916cd43dd8448eb211c80319c"
GATEWAY_SPAN = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{GATEWAY_SPAN}-01"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with running_otlp_receiver() as (receiver, port):
        tracing.configure_tracing(
            OtlpRecorder(
                "auth",
                "serve",
                f"http://127.0.0.1:{port}",
                1.0,
                installation={"deployment.environment.name": "staging"},
            )
        )
        yield receiver
        tracing.shut_down_tracing()


@pytest.fixture
async def traced_shards(receiver: OtlpReceiver, shards: Shards) -> AsyncIterator[Shards]:  # noqa: F811
    """Yield clients made after tracing was configured, as in a process."""
    yield shards


async def test_a_request_its_commands_its_event_and_the_handler_are_one_trace(
    stack: StackHandle,  # noqa: F811
    amqp_url: str,  # noqa: F811
    traced_shards: Shards,
    relaying: RelayController,  # noqa: F811
    receiver: OtlpReceiver,
) -> None:
    user, handled = new_id("usr"), asyncio.Event()
    shard = traced_shards.shard_for(user)

    async def work(tx: Transaction) -> None:
        await tx.db["users"].insert_one({"_id": user}, session=tx.session)
        tx.emit(UserVerified(user_id=user), subject=user)

    async def handle(_: UserVerified, incoming: IncomingEvent) -> None:
        await shard.db["mails"].insert_one({"_id": incoming.event_id})
        handled.set()

    queue = f"q-{secrets.token_hex(4)}"
    consumers = EventConsumers(
        amqp_url, [QueueSubscription(queue, {UserVerified: handle})], name="notification"
    )
    consumers.start()
    while not consumers.is_connected:
        await asyncio.sleep(0.05)
    relaying.start()
    redis = connect_redis(
        [f"{host}:{port}" for host, port in stack.redis_nodes], stack.credentials.redis_password
    )
    with tracing.server_span("auth.v1.Auth/Verify", TRACEPARENT):
        await redis.set(f"test:{queue}", "1", ex=10)
        await shard.run_in_transaction(work)
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        await handled.wait()
    await consumers.stop()
    await relaying.stop()
    await redis.aclose()
    tracing.shut_down_tracing()

    (call,) = receiver.named("auth.v1.Auth/Verify")
    (handler,) = receiver.named("handle auth.user.verified")
    assert call.parent_span_id.hex() == GATEWAY_SPAN
    assert call.kind == Span.SPAN_KIND_SERVER
    assert handler.parent_span_id == call.span_id
    assert handler.kind == Span.SPAN_KIND_CONSUMER
    assert {span.trace_id.hex() for _, span in receiver.spans} == {TRACE}
    assert {service for service, _ in receiver.spans} == {"auth"}
    assert _parents(receiver, "SET") == {call.span_id}
    assert _parents(receiver, "insert") == {call.span_id, handler.span_id}


async def test_a_failed_handler_is_an_error_in_the_trace(receiver: OtlpReceiver) -> None:
    with tracing.continue_trace(TRACEPARENT, "handle thing") as span:
        span.set_attribute("messaging.destination.name", "q")
        span.set_error("broken")
    tracing.shut_down_tracing()
    (handler,) = receiver.named("handle thing")
    assert handler.status.code == Status.STATUS_CODE_ERROR
    assert handler.status.message == "broken"
    assert receiver.resources[-1]["deployment.environment.name"] == "staging"


async def test_a_trace_that_the_gateway_did_not_sample_is_carried_on_and_not_recorded(
    receiver: OtlpReceiver,
) -> None:
    unsampled = TRACEPARENT[:-2] + "00"
    with tracing.server_span("call", unsampled):
        assert tracing.current_traceparent()[3:35] == TRACE
        assert tracing.current_traceparent()[-2:] == "00"
    tracing.shut_down_tracing()
    assert not receiver.spans


def _parents(receiver: OtlpReceiver, command: str) -> set[bytes]:
    return {span.parent_span_id for span in receiver.named(command)}
