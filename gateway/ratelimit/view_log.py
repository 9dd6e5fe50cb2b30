"""Envoy's access log of public listings, by which readers are counted, also those of cached answers.

`envoy.service.accesslog.v3.AccessLogService`. Envoy sends entries in batches after its answers, so that no
answer waits for this; the entries of the last second are lost when it is killed.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.accesslog.v3 import als_pb2

from chassis.observability.logging import get_logger
from chassis.redis.client import REDIS_ERRORS
from chassis.redis.unique_readers import UniqueReaderCounter, anonymous_reader_key

ACCESS_LOG_SERVICE: Final = als_pb2.DESCRIPTOR.services_by_name["AccessLogService"].full_name
PREFETCH_HEADERS: Final = ("purpose", "sec-purpose", "x-purpose", "x-moz")
"""Headers that mark a browser's prefetch, whose answer may never be seen."""
_LISTING_PATH: Final = re.compile(r"/internships/(int_[0-7][0-9A-HJKMNP-TV-Z]{25})(?:\?.*)?$", re.ASCII)
_ROBOT_USER_AGENT: Final = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|facebookexternalhit|preview|headless|monitor|uptime|scrap", re.IGNORECASE
)
_VIEW_STATUSES: Final = frozenset({200, 304})
_KNOWN_READERS: Final = 8_192
_MAX_KNOWN_AGENT_CHARS: Final = 512
"""Readers with longer user agents are found out for each entry, so that their texts take no memory."""

_log = get_logger()


class ViewLogServicer:
    """Records each reader; takes bytes, as the rate limit service does."""

    def __init__(self, readers: UniqueReaderCounter) -> None:
        self._readers = readers

    async def StreamAccessLogs(self, messages: Any, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:  # noqa: N802
        """Record the entries of one Envoy until its stream ends."""
        async for raw in messages:
            views = set(_views_in(als_pb2.StreamAccessLogsMessage.FromString(raw)))
            try:
                await self._readers.record_reads(views)
            except REDIS_ERRORS as error:
                _log.warning("views lost", readings=len(views), error=str(error))
        return bytes(als_pb2.StreamAccessLogsResponse().SerializeToString())


def _views_in(message: als_pb2.StreamAccessLogsMessage) -> Iterator[tuple[str, str]]:
    for entry in message.http_logs.log_entry:
        request = entry.request
        found = _LISTING_PATH.search(request.original_path or request.path)
        if found is not None and _is_view(request, entry.response):
            address = entry.common_properties.downstream_remote_address.socket_address.address
            agent = request.user_agent
            known = len(agent) <= _MAX_KNOWN_AGENT_CHARS
            reader = _find_known_reader(address, agent) if known else _find_reader(address, agent)
            if reader is not None:
                yield found.group(1), reader


def _is_view(request: Any, response: Any) -> bool:
    headers = request.request_headers
    return (
        request.request_method == base_pb2.GET
        and response.response_code.value in _VIEW_STATUSES
        and not (headers and _is_prefetch_or_signed_in(headers))
    )


def _is_prefetch_or_signed_in(headers: Any) -> bool:
    return "authorization" in headers or any(
        "prefetch" in headers.get(name, "").lower() for name in PREFETCH_HEADERS
    )


def _find_reader(address: str, user_agent: str) -> str | None:
    """Return the key of a reader; None for a robot."""
    is_robot = _ROBOT_USER_AGENT.search(user_agent) is not None
    return None if is_robot else anonymous_reader_key(address, user_agent)


_find_known_reader: Final = lru_cache(_KNOWN_READERS)(_find_reader)
"""The same, remembered: a reader's entries come one after another."""
