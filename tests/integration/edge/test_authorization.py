"""Gateway and services read the same caller from whatever authorization is sent."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import product
from typing import Any, Final

import grpc
import httpx

from chassis.call_context import CallContext, Principal, current_principal_or_none
from chassis.errors import DomainError
from chassis.grpc.interceptors.authentication import AuthenticationInterceptor
from tests.fakes.interceptor_calls import rpc, send_call
from tests.fakes.tokens import access_token
from tests.integration.control_plane.harness import PATH
from tests.integration.edge.conftest import EdgeHarness

MINE: Final = "/api/v1/companies/me/internships"
TOKEN: Final = access_token("usr_1", "COMPANY")


class SingleTokenVerifier:
    """Knows one good token, as the services' own does; no session of it has ended."""

    async def verify(self, token: str) -> Principal:
        if token != TOKEN:
            raise DomainError("TOKEN_INVALID", "Not this one.")
        return Principal("usr_1", "COMPANY")

    async def raise_if_revoked(self, session_id: str) -> None:
        pass


async def _reading_of_a_service(metadata: Mapping[str, str]) -> str:
    """Return how the services' own interceptor reads the metadata that the gateway has sent."""

    async def who(_request: Any, _context: Any) -> bytes:
        return b"signed in" if current_principal_or_none() else b"anonymous"

    call = CallContext(metadata={key: value for key, value in metadata.items() if key == "authorization"})
    authentication = AuthenticationInterceptor(SingleTokenVerifier(), SingleTokenVerifier())
    try:
        return (await send_call(authentication, rpc("internship", "GetInternship"), who, call=call)).decode()
    except DomainError:
        return "refused"


SIGNED_IN: Final = (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER {TOKEN}", f"bEaReR   {TOKEN}")
REFUSED: Final = (
    f"Bearer\t{TOKEN}",
    f"Bearer{TOKEN}",
    f"Bearer:{TOKEN}",
    f"Bearer={TOKEN}",
    TOKEN,
    f"Basic {TOKEN}",
    f"Token {TOKEN}",
    f'Bearer "{TOKEN}"',
    f"Bearer {TOKEN} {TOKEN}",
    f"Bearer {TOKEN}, Bearer {TOKEN}",
    f"Bearer {TOKEN},",
    f", Bearer {TOKEN}",
    f"Bearer Bearer {TOKEN}",
    f"Basic x, Bearer {TOKEN}",
    f"Bearer {TOKEN}; a=b",
    "Bearer",
    "Bearer x",
    "",
)
SEVERAL: Final = (
    (f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
    (f"Bearer {TOKEN}", "Basic x"),
    ("Basic x", f"Bearer {TOKEN}"),
    (f"Bearer {TOKEN}", "Bearer forged"),
)
"""An empty one beside another is none: Envoy drops it before anybody reads."""
MATRIX: Final = (*(((each,), "signed in") for each in SIGNED_IN), *(((each,), "refused") for each in REFUSED))


Ask = Callable[[str, Sequence[str]], Awaitable[int]]


def _over_http(client: httpx.AsyncClient) -> Ask:
    async def ask(method: str, values: Sequence[str]) -> int:
        headers = [("authorization", value) for value in values]
        return (await client.get(CALLS[method], headers=headers)).status_code

    return ask


def _over_grpc(channel: grpc.aio.Channel) -> Ask:
    async def ask(method: str, values: Sequence[str]) -> int:
        metadata = tuple(("authorization", value) for value in values)
        call: Any = channel.unary_unary(f"/internshipconnect.internship.v1.InternshipService/{method}")
        try:
            await call(b"", metadata=metadata, timeout=5)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED, error
            return 401
        return 200

    return ask


async def test_gateway_and_service_agree_on_who_is_signed_in(edge: EdgeHarness) -> None:
    await edge.open()
    edge.internships.answers["ListMyInternships"] = b""
    matrix = (*MATRIX, *((values, "refused") for values in SEVERAL))
    base = f"http://127.0.0.1:{edge.listen}"
    async with (
        httpx.AsyncClient(base_url=base) as http1,
        httpx.AsyncClient(base_url=base, http1=False, http2=True) as http2,
        grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}") as channel,
    ):
        ways = {"HTTP/1.1": _over_http(http1), "HTTP/2": _over_http(http2), "gRPC": _over_grpc(channel)}
        await _compare(edge, ways, matrix)


async def _compare(
    edge: EdgeHarness, ways: Mapping[str, Ask], matrix: Sequence[tuple[Sequence[str], str]]
) -> None:
    for (values, wanted), (way, ask) in product(matrix, ways.items()):
        if way == "gRPC" and "\t" in values[0]:
            # No gRPC library sends it.
            continue
        edge.internships.metadata = {}
        private = await ask("ListMyInternships", values)
        public = await ask("GetInternship", values)
        read_as = await _reading_of_a_service(edge.internships.metadata) if public == 200 else "refused"
        assert (private, public, read_as) == (
            (200, 200, "signed in") if wanted == "signed in" else (401, 401, "refused")
        ), (way, values)


CALLS: Final = {"ListMyInternships": MINE, "GetInternship": PATH}
