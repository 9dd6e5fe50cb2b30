"""Objects of one kind, kept in step with the Kubernetes API: a list, and then a watch of what changes."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar, cast

from chassis.concurrency.backoff import Backoff
from chassis.observability.logging import get_logger
from gateway.control_plane import metrics
from gateway.control_plane.kubernetes.api import ExpiredVersionError, KubernetesApi, KubernetesApiError

PAGE_SIZE: Final = 250
WATCH_S: Final = (300, 600)
"""For how long the API is asked to answer a watch: random, so that replicas do not come back together."""
SILENCE_MARGIN_S: Final = 30.0
STEADY_WATCH_S: Final = 5.0
"""A watch that lasted so long has worked, so that the next failure waits briefly again."""

T = TypeVar("T")

_log = get_logger()


class ListWatch(Generic[T]):
    """The objects of a collection by name, as `parse` makes them.

    `on_change` is called after each change; first when the whole list is there. While the API cannot be
    reached, the objects stay as they were.
    """

    def __init__(
        self,
        api: KubernetesApi,
        path: str,
        label_selector: str,
        parse: Callable[[Mapping[str, Any]], T],
        on_change: Callable[[], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.objects: dict[str, T] = {}
        self._api = api
        self._path = path
        self._label_selector = label_selector
        self._parse = parse
        self._on_change = on_change
        self._sleep = sleep
        self._version = ""

    async def follow(self, backoff: Backoff) -> None:
        """List, if there is no version to go on from, and watch until the API ends it or an error."""
        try:
            if not self._version:
                await self._list()
            await self._watch(backoff)
        except ExpiredVersionError as error:
            self._version = ""
            _log.info("list again: the version has expired", path=self._path, reason=str(error))
        except KubernetesApiError as error:
            await self._sleep(error.retry_after_s)
            raise

    async def _list(self) -> None:
        """Read all pages before the first object is replaced: half a list would take endpoints away."""
        found: dict[str, T] = {}
        parameters = {"labelSelector": self._label_selector, "limit": str(PAGE_SIZE)}
        while True:
            page = await self._api.get(self._path, parameters)
            for each in page.get("items") or ():
                found[_name_of(each)] = self._parse(each)
            metadata = page.get("metadata", {})
            if not metadata.get("continue"):
                break
            parameters["continue"] = metadata["continue"]
        metrics.kubernetes_lists.inc()
        self.objects = found
        self._version = _version_of(page)
        self._on_change()

    async def _watch(self, backoff: Backoff) -> None:
        lasts_s = random.randint(*WATCH_S)  # noqa: S311 - spreads load, guards nothing
        parameters = {
            "labelSelector": self._label_selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(lasts_s),
        }
        began = time.monotonic()
        events = self._api.stream(
            self._path,
            parameters,
            lasts_s + SILENCE_MARGIN_S,
            partial(metrics.kubernetes_watch_connected.set, 1),
        )
        try:
            async with aclosing(cast(Any, events)):
                async for event in events:
                    self._apply(event)
        finally:
            metrics.kubernetes_watch_connected.set(0)
            if time.monotonic() - began >= STEADY_WATCH_S:
                backoff.reset()

    def _apply(self, event: Mapping[str, Any]) -> None:
        changed = event.get("object")
        if not isinstance(changed, Mapping):
            raise KubernetesApiError("the API sends an event without an object")
        match event.get("type"):
            case "ADDED" | "MODIFIED":
                self.objects[_name_of(changed)] = self._parse(changed)
            case "DELETED":
                self.objects.pop(_name_of(changed), None)
            case "BOOKMARK":
                self._version = _version_of(changed)
                return
            case "ERROR":
                raise _status_error(changed)
            case unknown:
                raise KubernetesApiError(f"the API sends an event of the unknown type {unknown!r}")
        self._version = _version_of(changed)
        self._on_change()


def _name_of(found: Mapping[str, Any]) -> str:
    try:
        return str(found["metadata"]["name"])
    except (KeyError, TypeError):
        raise KubernetesApiError("the API sends an object without metadata.name") from None


def _version_of(found: Mapping[str, Any]) -> str:
    try:
        return str(found["metadata"]["resourceVersion"])
    except (KeyError, TypeError):
        raise KubernetesApiError("the API sends no metadata.resourceVersion") from None


def _status_error(status: Mapping[str, Any]) -> KubernetesApiError:
    message = f"{status.get('code')} {status.get('reason')}: {status.get('message')}"
    if status.get("code") == HTTPStatus.GONE:
        return ExpiredVersionError(message)
    return KubernetesApiError(message)
