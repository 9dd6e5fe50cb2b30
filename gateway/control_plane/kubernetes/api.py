"""Requests to the Kubernetes API, and the errors that it answers."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector
from aiohttp.connector import AddrInfoType

from gateway.control_plane.kubernetes.access import KubernetesAccess

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
MAX_RETRY_AFTER_S: Final = 60.0
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""A quiet watch is no dead one, so that the kernel has to find out: within a minute."""


class KubernetesApiError(Exception):
    """The API refused a request, or its answer cannot be read. `retry_after_s` is what it asks for."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ExpiredVersionError(KubernetesApiError):
    """The API has forgotten the changes since a version (410 Gone): only a new list helps."""


class KubernetesApi:
    """GET requests with the credentials of the moment."""

    def __init__(self, access: KubernetesAccess) -> None:
        self._access = access

    async def get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer's object. Raise KubernetesApiError, ClientError or TimeoutError."""
        async with self._request(path, parameters, READ_TIMEOUT_S) as response:
            found: dict[str, Any] = _parse(await response.read())
            return found

    async def stream(
        self,
        path: str,
        parameters: Mapping[str, str],
        silence_s: float,
        on_open: Callable[[], None],
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the object of each line until the API ends the answer.

        `on_open` is called when the API begins to answer. A line that the connection breaks off is dropped.
        Raises as `get` does, TimeoutError after `silence_s` without a byte.
        """
        async with self._request(path, parameters, silence_s) as response:
            on_open()
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > MAX_LINE_BYTES:
                    raise KubernetesApiError(f"the API sends a line of more than {MAX_LINE_BYTES} bytes")
                for line in lines:
                    if line.strip():
                        yield _parse(line)

    @asynccontextmanager
    async def _request(
        self, path: str, parameters: Mapping[str, str], read_timeout_s: float
    ) -> AsyncIterator[ClientResponse]:
        # A session of its own, as the bundle of authorities may have changed since the last request.
        connector = TCPConnector(ssl=self._access.tls_context(), socket_factory=_open_socket)
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=read_timeout_s)
        token = self._access.read_token()
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with (
            ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            session.get(self._access.url + path, params=parameters) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise await _error_of(response)
            yield response


async def _error_of(response: ClientResponse) -> KubernetesApiError:
    content = await response.read()
    try:
        reason = str(orjson.loads(content)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        reason = content[:200].decode(errors="replace")
    message = f"{response.status} {response.reason}: {reason}{_advice(response.status)}"
    if response.status == HTTPStatus.GONE:
        return ExpiredVersionError(message)
    asked = response.headers.get("Retry-After", "")
    return KubernetesApiError(message, min(float(asked), MAX_RETRY_AFTER_S) if asked.isdigit() else 0.0)


def _advice(status: int) -> str:
    if status == HTTPStatus.FORBIDDEN:
        return "; the service account needs a Role with `list` and `watch` of endpointslices"
    if status == HTTPStatus.UNAUTHORIZED:
        return "; the token is not valid, it is read again for the next request"
    return ""


def _parse(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise KubernetesApiError(f"the API answers no JSON: {error}") from None
    if not isinstance(found, dict):
        raise KubernetesApiError("the API answers no JSON object")
    return found


def _open_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    for level, option, value in _KEEPALIVE:
        opened.setsockopt(level, option, value)
    return opened
