"""The part of the Kubernetes API that the control plane uses, for tests and for the simulation.

It keeps to the API's documented behaviour: lists in pages, watches from a version, bookmarks, 410 Gone for
what it has forgotten. And it has the faults that clients have to bear.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

SERVICE_LABEL: Final = "kubernetes.io/service-name"
_PATH: Final = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
_SELECTOR: Final = re.compile(r"^(?P<label>\S+) in \((?P<values>[^)]*)\)$")
SHUTDOWN_TIMEOUT_S: Final = 0.2
_HISTORY_LENGTH: Final = 100_000

JsonObject = dict[str, Any]


class KubernetesApiServer:
    """EndpointSlices of one namespace. `lists` and `watches` are the queries so far."""

    def __init__(self, namespace: str = "internships", token: str | None = None) -> None:
        self.namespace = namespace
        self.token = token
        self.url = ""
        self.page_limit = 500
        self.refusal: tuple[HTTPStatus, dict[str, str]] | None = None
        self.answers_after_s = 0.0
        self.lists: list[dict[str, str]] = []
        self.watches: list[dict[str, str]] = []
        self._version = 1000
        self._slices: dict[str, JsonObject] = {}
        self._history: deque[tuple[int, bytes, str]] = deque(maxlen=_HISTORY_LENGTH)
        self._oldest_version = self._version
        self._changed = asyncio.Condition()
        self._open_watches: set[asyncio.Task[Any]] = set()
        self._breaks_line = False

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["KubernetesApiServer"]:
        """Listen at `url` until the block ends."""
        app = web.Application()
        app.router.add_get(_PATH, self._answer)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await self.break_watches()
            await runner.cleanup()

    async def put(self, *slices: JsonObject) -> None:
        """Create or replace slices."""
        async with self._changed:
            for each in slices:
                name = each["metadata"]["name"]
                self._record("MODIFIED" if name in self._slices else "ADDED", each)
                self._slices[name] = each
            self._changed.notify_all()

    async def delete(self, *names: str) -> None:
        """Delete slices."""
        async with self._changed:
            for name in names:
                self._record("DELETED", self._slices.pop(name))
            self._changed.notify_all()

    async def send_bookmark(self) -> None:
        """Tell all watches the newest version."""
        async with self._changed:
            self._version += 1
            marker = {"kind": "EndpointSlice", "metadata": {"resourceVersion": str(self._version)}}
            self._history.append((self._version, _line("BOOKMARK", marker), ""))
            self._changed.notify_all()

    def forget_changes(self) -> None:
        """Drop the history: watches and pages of older versions are answered 410 Gone."""
        self._history.clear()
        self._version += 1
        self._oldest_version = self._version

    async def break_watches(self, *, amid_a_line: bool = False) -> None:
        """Cut the connections of all watches, after half an event if `amid_a_line`."""
        async with self._changed:
            self._breaks_line = amid_a_line
            for task in self._open_watches:
                task.cancel()
        await asyncio.gather(*self._open_watches, return_exceptions=True)
        self._breaks_line = False

    @property
    def open_watch_count(self) -> int:
        """The number of watches that are being answered."""
        return len(self._open_watches)

    def _record(self, kind: str, found: JsonObject) -> None:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)
        service = found["metadata"].get("labels", {}).get(SERVICE_LABEL, "")
        self._history.append((self._version, _line(kind, found), service))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        if self.answers_after_s:
            await asyncio.sleep(self.answers_after_s)
        if self.refusal is not None:
            status, headers = self.refusal
            return _status_answer(status, "refused by the test", headers)
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _status_answer(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        if request.match_info["namespace"] != self.namespace:
            return _status_answer(HTTPStatus.FORBIDDEN, "no right to list endpointslices in this namespace")
        services = _selected_services(query["labelSelector"])
        if query.get("watch"):
            self.watches.append(query)
            return await self._watch(request, query, services)
        self.lists.append(query)
        return self._list(query, services)

    def _list(self, query: Mapping[str, str], services: set[str]) -> web.Response:
        version, start = self._version, 0
        if token := query.get("continue"):
            version, start = map(int, token.split("."))
            if version < self._oldest_version:
                return _status_answer(HTTPStatus.GONE, "The provided continue parameter is too old")
        limit = min(int(query.get("limit", self.page_limit)), self.page_limit)
        found = [each for each in self._slices.values() if _service_of(each) in services]
        metadata: JsonObject = {"resourceVersion": str(version)}
        if start + limit < len(found):
            metadata["continue"] = f"{version}.{start + limit}"
        page = {"kind": "EndpointSliceList", "metadata": metadata, "items": found[start : start + limit]}
        return web.Response(body=orjson.dumps(page), content_type="application/json")

    async def _watch(
        self, request: web.Request, query: Mapping[str, str], services: set[str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        sent = int(query["resourceVersion"])
        if sent < self._oldest_version:
            status = {
                "kind": "Status",
                "code": 410,
                "reason": "Expired",
                "message": "too old resource version",
            }
            await response.write(_line("ERROR", status))
            return response
        task = asyncio.current_task()
        assert task is not None
        self._open_watches.add(task)
        try:
            async with asyncio.timeout(int(query["timeoutSeconds"])):
                while True:
                    for line in await self._events_after(sent, services):
                        await response.write(line)
                    sent = self._version
        except TimeoutError:
            return response
        except asyncio.CancelledError:
            if request.transport is not None:
                if self._breaks_line and self._history:
                    line = self._history[-1][1]
                    await response.write(line[: len(line) // 2])
                request.transport.abort()
            raise
        finally:
            self._open_watches.discard(task)

    async def _events_after(self, version: int, services: set[str]) -> list[bytes]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._version > version)
            return [
                line
                for number, line, service in self._history
                if number > version and (not service or service in services)
            ]


def endpoint_slice(
    name: str,
    service: str,
    endpoints: list[JsonObject],
    *,
    port: int = 5002,
    port_name: str = "grpc",
    address_type: str = "IPv4",
) -> JsonObject:
    """Return an EndpointSlice as the API has it."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {SERVICE_LABEL: service}},
        "addressType": address_type,
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


def slice_endpoint(address: str, *, zone: str = "", **conditions: bool) -> JsonObject:
    """Return an endpoint of a slice; without conditions it is ready."""
    found = {"ready": True, "serving": True, "terminating": False} | conditions
    return {"addresses": [address], "conditions": found} | ({"zone": zone} if zone else {})


def _line(kind: str, found: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, "object": found}) + b"\n"


def _service_of(found: Mapping[str, Any]) -> str:
    return str(found["metadata"].get("labels", {}).get(SERVICE_LABEL, ""))


def _selected_services(selector: str) -> set[str]:
    match = _SELECTOR.match(selector)
    assert match is not None and match["label"] == SERVICE_LABEL, selector
    return set(match["values"].split(","))


def _status_answer(
    status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = orjson.dumps({"kind": "Status", "status": "Failure", "message": message, "code": status.value})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
