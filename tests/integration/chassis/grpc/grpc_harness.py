"""A whole server of ours on a real port, with services whose behaviour a test sets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from google.api.httpbody_pb2 import HttpBody
from google.rpc.status_pb2 import Status

from chassis.clock import FixedClock
from chassis.grpc.adaptive_concurrency import AdaptiveConcurrencyLimit
from chassis.grpc.client import Peers
from chassis.grpc.engine.engines import DEFAULT_ENGINE, EngineName
from chassis.grpc.interceptor_chain import build_standard_chain
from chassis.grpc.server import GrpcServer, build_grpc_server
from chassis.security.jwks import StaticKeySource
from chassis.security.service_identity import ServiceIdentity
from chassis.security.tokens import TokenVerifier
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceServicer
from internshipconnect.notification.v1 import notification_pb2
from internshipconnect.notification.v1.notification_pb2_grpc import NotificationServiceServicer
from tests.fakes.claims import InMemoryClaims
from tests.fakes.tokens import ISSUER, USER_KEY, USER_KEY_ID

INTERNSHIP_ID = "int_01JD0000000000000000000000"
ServicerBehaviour = Callable[[Any], Awaitable[Any]]

_SERVICE_KEY = generate_private_key(SECP256R1())


class ScriptedInternshipServicer(InternshipServiceServicer):
    """Answers every call with `behaviour`, which a test sets."""

    def __init__(self) -> None:
        self.behaviour: ServicerBehaviour = self._an_empty_listing
        self.requests: list[Any] = []

    async def _an_empty_listing(self, _request: Any) -> pb.Internship:
        return pb.Internship(id=INTERNSHIP_ID)

    async def _answer(self, request: Any, _context: Any) -> Any:
        self.requests.append(request)
        return await self.behaviour(request)

    async def CreateInternship(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context)

    GetInternship = UpdateInternship = PublishInternship = PauseInternship = CreateInternship
    ReopenInternship = CloseInternship = ListInternships = ListMyInternships = CreateInternship
    SuggestInternships = RecallInternship = ArchiveInternship = DeleteInternship = CreateInternship
    ListModerationCases = GetModerationCase = ModerateInternship = CreateInternship
    BatchGetIntakes = TakeOpening = ReserveOpening = CreateInternship


class EndlessNotificationServicer(NotificationServiceServicer):
    """Streams without end, and notices when nobody listens any more."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def ListNotifications(self, request: Any, context: Any) -> Any:
        return notification_pb2.ListNotificationsResponse(unread_count=1)

    async def MarkRead(self, request: Any, context: Any) -> Any:
        return notification_pb2.MarkReadResponse()

    async def CreateStreamTicket(self, request: Any, context: Any) -> Any:
        return notification_pb2.CreateStreamTicketResponse()

    async def StreamNotificationEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield HttpBody(data=b"one")

    async def StreamNotifications(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for number in range(1_000_000):
                yield notification_pb2.Notification(id=str(number))
                await asyncio.sleep(0.01)
        finally:
            self.closed.set()


class NoRevocations:
    """Sessions of which none has ended."""

    async def raise_if_revoked(self, session_id: str) -> None: ...

    async def raise_if_revoked_now(self, session_id: str) -> None: ...


@dataclass
class GrpcHarness:
    """The running server, and ways to call it."""

    listings: ScriptedInternshipServicer
    inbox: EndlessNotificationServicer
    server: GrpcServer
    address: str
    channel: grpc.aio.Channel
    peers: Peers


@asynccontextmanager
async def running_grpc_harness(
    engine_name: EngineName = DEFAULT_ENGINE, max_in_flight: int = 1000, listen: str = "127.0.0.1:0"
) -> AsyncIterator[GrpcHarness]:
    """Start it, on a free port or the given one (`listen`); close everything at the end."""
    listings, inbox = ScriptedInternshipServicer(), EndlessNotificationServicer()
    server = build_grpc_server([listings, inbox], _chain(max_in_flight), engine_name)
    address = f"127.0.0.1:{server.listen(listen)}"
    await server.start()
    channel = grpc.aio.insecure_channel(address)
    peers = Peers({"internship": address}, ServiceIdentity("application", _SERVICE_KEY))
    try:
        yield GrpcHarness(listings, inbox, server, address, channel, peers)
    finally:
        await peers.close()
        await channel.close()
        await server.stop(0)


class _FixedConcurrencyLimit(AdaptiveConcurrencyLimit):
    """Keeps its bound: that the loop is late says only what else the machine does."""

    def adjust(self, min_lag_s: float) -> None:
        pass


def _chain(max_in_flight: int) -> Any:
    verifier = TokenVerifier(
        users=StaticKeySource({USER_KEY_ID: USER_KEY.public_key()}),
        services=StaticKeySource({"svc-application": _SERVICE_KEY.public_key()}),
        issuer=ISSUER,
    )
    return build_standard_chain(
        verifier=verifier,
        revocations=NoRevocations(),
        claims=InMemoryClaims(FixedClock(datetime.now(UTC))),
        concurrency_limit=_FixedConcurrencyLimit(max_in_flight),
    )


def signed_in(token: str, **further: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call by somebody; `further` keys with dashes for underscores."""
    extra = tuple((key.replace("_", "-"), value) for key, value in further.items())
    return (("authorization", f"Bearer {token}"), *extra)


def status_in(error: grpc.aio.AioRpcError) -> Status:
    """Return the details of a refusal."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return Status.FromString(value)
    raise AssertionError(f"{error.code()} came without details: {error.details()}")
