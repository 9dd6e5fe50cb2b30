"""The live inbox as browsers and gRPC clients have it: a real Envoy before the service on real stores."""

import asyncio
import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import grpc
import httpx
import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock, SystemClock
from chassis.grpc.interceptor_chain import build_standard_chain
from chassis.grpc.server import build_grpc_server
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import to_document
from chassis.page_tokens import PageTokens
from chassis.redis.call_tickets import CallTickets
from chassis.redis.client import connect_redis
from chassis.redis.session_revocations import SessionRevocations
from chassis.security.jwks import StaticKeySource
from chassis.security.tokens import TokenVerifier
from chassis.service_registry import RegistryEntry, ServiceInstance
from chassis.sharding.shards import Shards
from internshipconnect.notification.v1 import notification_pb2 as pb
from internshipconnect.notification.v1.notification_pb2_grpc import NotificationServiceStub
from services.notification.api import NotificationServicer
from services.notification.domain.contents import NotificationCategory
from services.notification.domain.inbox import Notification
from services.notification.inbox_broadcaster import InboxBroadcaster
from services.notification.repository import COLLECTIONS, NOTIFICATIONS, NotificationRepository
from services.notification.service.read_inbox import ReadInbox
from tests.databases import own_databases
from tests.fakes.claims import InMemoryClaims
from tests.fakes.tokens import ISSUER, USER_KEY, USER_KEY_ID, access_token
from tests.integration.edge.conftest import EdgeHarness
from tests.stack import StackHandle

STREAM = "/api/v1/notifications:stream"
TICKET = "/api/v1/notifications:createStreamTicket"
HEARTBEAT_S = 0.5
EVENT_TIMEOUT_S = 60.0


class InboxReader:
    """One user, with a session of their own."""

    def __init__(self, **claims: Any) -> None:
        self.id, self.session = new_id("usr"), new_id("ses")
        self.token = access_token(self.id, sid=self.session, **claims)
        self.headers = {"authorization": f"Bearer {self.token}"}


class LiveInboxHarness(EdgeHarness):
    """The gateway, and the notification service in this process behind it."""

    shards: Shards
    redis: RedisCluster
    live: ReadInbox

    async def start(self, stack: StackHandle) -> None:
        self.shards = await self._closing.enter_async_context(
            own_databases(stack, "notification", COLLECTIONS)
        )
        nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
        self.redis = connect_redis(nodes, stack.credentials.redis_password)
        self._closing.push_async_callback(self.redis.aclose)
        await self._serve_notifications()
        await self.open(trusted_hops=1)

    async def _serve_notifications(self) -> None:
        feed = InboxBroadcaster(NotificationRepository(self.shards), max_streams=50, max_streams_per_user=5)
        following = asyncio.create_task(feed.follow_inboxes())
        self._closing.callback(following.cancel)
        self.live = ReadInbox(NotificationRepository(self.shards), feed, SystemClock(), max_stream_s=600)
        api = NotificationServicer(
            self.live, PageTokens(b"p" * 32), CallTickets(self.redis), heartbeat_s=HEARTBEAT_S
        )
        chain = build_standard_chain(
            verifier=TokenVerifier(
                StaticKeySource({USER_KEY_ID: USER_KEY.public_key()}), StaticKeySource({}), ISSUER
            ),
            revocations=SessionRevocations(self.redis),
            claims=InMemoryClaims(FixedClock(datetime.now(UTC))),
            tickets=CallTickets(self.redis),
        )
        server = build_grpc_server([api], chain)
        port = server.listen("127.0.0.1:0")
        await server.start()
        self._closing.push_async_callback(server.stop, 0)
        RegistryEntry(self.registry, ServiceInstance("notification", "127.0.0.1", port, "local"))

    async def put(self, reader: InboxReader, title: str) -> str:
        entry = Notification(
            id=new_id("ntf", slot_of(reader.id)),
            recipient_id=reader.id,
            category=NotificationCategory.APPLICATION,
            template="application_offer",
            title=title,
            body="Body",
            about="app_1",
            create_time=datetime.now(UTC),
        )
        await (
            self.shards.shard_for(reader.id)
            .db[NOTIFICATIONS]
            .insert_one(to_document(entry, slot=slot_of(reader.id)))
        )
        return entry.id

    async def end_session(self, reader: InboxReader) -> None:
        await SessionRevocations(self.redis).revoke(reader.session, 900)

    async def ticket(self, reader: InboxReader, **headers: str) -> str:
        answer = await self.client.post(TICKET, json={}, headers=reader.headers | headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket"])


class EventStreamParser:
    """A stream of server-sent events, read line by line as the HTML standard says."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def blocks(self) -> AsyncIterator[list[str]]:
        block: list[str] = []
        async for line in self._lines:
            if line:
                block.append(line)
            elif block:
                yield block
                block = []

    async def next(self, *, comments: bool = False) -> dict[str, str]:
        """Return the next event, or the next comment as the field ""."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            async for block in self.blocks():
                fields = dict(_field(line) for line in block)
                if comments or "data" in fields:
                    return fields
        raise EOFError


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ") if not line.startswith(":") else ("", ":", line[2:])
    return name, value


@asynccontextmanager
async def opened(
    inbox: LiveInboxHarness, headers: dict[str, str], **query: str
) -> AsyncIterator[EventStreamParser]:
    async with inbox.client.stream(
        "GET", STREAM, params=query, headers=headers, timeout=EVENT_TIMEOUT_S
    ) as answer:
        yield EventStreamParser(answer)


@pytest.fixture(scope="module")
async def inbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveInboxHarness]:
    async with AsyncExitStack() as closing:
        inbox = LiveInboxHarness(tmp_path_factory.mktemp("edge"), closing)
        await inbox.start(StackHandle.under_test())
        yield inbox


async def refusal(inbox: LiveInboxHarness, headers: dict[str, str], **query: str) -> tuple[int, str]:
    answer = await inbox.client.get(STREAM, params=query, headers=headers)
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return answer.status_code, str(reason)


async def test_a_stream_opens_at_once_beats_while_it_is_quiet_and_brings_what_arrives(
    inbox: LiveInboxHarness,
) -> None:
    reader = InboxReader()
    async with opened(inbox, reader.headers | {"accept-encoding": "gzip, br"}) as events:
        assert events.answer.status_code == 200
        headers = events.answer.headers
        assert headers["content-type"] == "text/event-stream"
        assert "content-encoding" not in headers and headers["x-accel-buffering"] == "no"
        assert await events.next(comments=True) == {"": "connected", "retry": "3000"}
        assert await events.next(comments=True) == {"": "keep-alive"}
        id_ = await inbox.put(reader, "First")
        event = await events.next()
    assert set(event) == {"id", "data"}
    told = json.loads(event["data"])
    assert (event["id"], told["id"], told["title"], told["read"]) == (id_, id_, "First", False)


async def test_a_stream_resumes_after_the_last_event_id(inbox: LiveInboxHarness) -> None:
    reader = InboxReader()
    first = await inbox.put(reader, "First")
    await asyncio.sleep(0.002)
    second = await inbox.put(reader, "Second")
    async with opened(inbox, reader.headers | {"last-event-id": first}) as events:
        assert (await events.next())["id"] == second
    async with opened(inbox, reader.headers, lastNotificationId=first) as events:
        assert (await events.next())["id"] == second
    assert await refusal(inbox, reader.headers | {"last-event-id": "nonsense"}) == (400, "INVALID_FIELD")


async def test_a_ticket_opens_the_stream_for_its_browser_and_nothing_else(inbox: LiveInboxHarness) -> None:
    reader, browser = InboxReader(), {"user-agent": "Firefox", "x-forwarded-for": "198.51.100.7"}
    ticket = await inbox.ticket(reader)
    for _ in range(2):
        async with opened(inbox, browser, ticket=ticket) as events:
            assert events.answer.status_code == 200
            id_ = await inbox.put(reader, "For the browser")
            assert (await events.next())["id"] == id_
    assert await refusal(inbox, browser | {"user-agent": "curl"}, ticket=ticket) == (401, "TOKEN_INVALID")
    assert await refusal(inbox, browser, ticket=secrets.token_urlsafe(24)) == (401, "TOKEN_INVALID")
    assert await refusal(inbox, browser) == (401, "TOKEN_MISSING")
    elsewhere = await inbox.client.get("/api/v1/notifications", params={"ticket": ticket}, headers=browser)
    assert elsewhere.status_code in {400, 401}
    as_token = {"authorization": f"Bearer {ticket}"}
    assert await refusal(inbox, as_token) == (401, "TOKEN_INVALID")


BROWSER = """
const source = new EventSource(process.argv[1]);
const tell = (fields) => console.log(JSON.stringify(fields));
source.onopen = () => tell({what: "open"});
source.onmessage = (event) => tell({what: "message", id: event.lastEventId, data: JSON.parse(event.data)});
source.addEventListener("end", (event) => tell({what: "end", data: JSON.parse(event.data)}));
setInterval(() => {}, 1000);  // its timer alone does not keep Node alive
source.onerror = () => tell({what: source.readyState === EventSource.CLOSED ? "closed" : "reconnecting"});
"""


class Browser:
    """A real EventSource, of Node's."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self, what: str) -> dict[str, Any]:
        """Return the next event of a kind; skip others before it."""
        assert self._process.stdout is not None
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while line := await self._process.stdout.readline():
                if (event := json.loads(line))["what"] == what:
                    return dict(event)
        raise EOFError(what)


@asynccontextmanager
async def browser(inbox: LiveInboxHarness, ticket: str) -> AsyncIterator[Browser]:
    url = f"{inbox.client.base_url}{STREAM}?ticket={ticket}"
    options = ("--experimental-eventsource", "--no-warnings", "-e", BROWSER)
    process = await asyncio.create_subprocess_exec("node", *options, url, stdout=asyncio.subprocess.PIPE)
    try:
        yield Browser(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node for its EventSource")
async def test_a_browsers_eventsource_connects_again_by_itself_and_misses_nothing(
    inbox: LiveInboxHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InboxReader()
    monkeypatch.setattr(inbox.live, "_max_stream_s", 2.0)
    async with browser(inbox, await inbox.ticket(reader)) as page:
        await page.told("open")
        first = await inbox.put(reader, "First")
        message = await page.told("message")
        assert (message["id"], message["data"]["title"]) == (first, "First")
        await page.told("reconnecting")
        between = await inbox.put(reader, "Between")
        assert (await page.told("message"))["id"] == between
        await inbox.end_session(reader)
        await page.told("closed")


async def test_a_stream_ends_within_seconds_of_its_session_and_says_why(inbox: LiveInboxHarness) -> None:
    reader = InboxReader()
    ticket = await inbox.ticket(reader)
    async with opened(inbox, {}, ticket=ticket) as events:
        await events.next(comments=True)
        began = time.monotonic()
        await inbox.end_session(reader)
        event = await events.next()
        assert event["event"] == "end" and "id" not in event
        told = json.loads(event["data"])
        assert told["code"] == 16
        assert "SESSION_REVOKED" in {detail.get("reason") for detail in told["details"]}
        with pytest.raises(EOFError):
            await events.next()
        assert time.monotonic() - began < 20
    assert (await refusal(inbox, {}, ticket=ticket))[0] == 401


async def test_a_stream_ends_when_its_token_expires(inbox: LiveInboxHarness) -> None:
    reader = InboxReader(exp=int(time.time()) + 3)
    async with opened(inbox, reader.headers) as events:
        event = await events.next()
    assert event["event"] == "end" and "TOKEN_EXPIRED" in event["data"]


async def test_a_grpc_client_keeps_its_typed_stream_which_ends_with_the_session_too(
    inbox: LiveInboxHarness,
) -> None:
    reader = InboxReader()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{inbox.listen}") as channel:
        stub: Any = NotificationServiceStub(channel)
        call = stub.StreamNotifications(
            pb.StreamNotificationsRequest(),
            metadata=(("authorization", f"Bearer {reader.token}"),),
            timeout=EVENT_TIMEOUT_S,
        )
        await call.initial_metadata()
        id_ = await inbox.put(reader, "Typed")
        assert (await call.read()).id == id_
        await inbox.end_session(reader)
        with pytest.raises(grpc.aio.AioRpcError) as end:
            await call.read()
    assert end.value.code() is grpc.StatusCode.UNAUTHENTICATED
