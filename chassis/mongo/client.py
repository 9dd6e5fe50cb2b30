"""One client for each shard: a bounded pool, and bounded patience with a shard that has no primary."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

import pymongo
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from chassis.mongo.documents import Document

POOL_SIZE: Final = 32
"""Connections to one shard; at about 1 ms an operation, more would only queue on the server."""
SELECTION_TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 2.0
SOCKET_TIMEOUT_S: Final = 30.0
LOOK_OUT_EVERY_S: Final = 1.0
"""While a shard is down nobody asks the driver for it, so its own look-outs have to be frequent."""


class ShardClient(AsyncMongoClient[Document]):
    """Looks for a primary for 2 seconds at most.

    Under a deadline PyMongo would spend all that is left of it on looking, and forget its own limit.
    """

    async def _select_server(self, *args: Any, **kwargs: Any) -> Any:
        with pymongo.timeout(SELECTION_TIMEOUT_S):
            return await super()._select_server(*args, **kwargs)


def connect(
    uri: str, database: str, user: str, password: str, listeners: Sequence[CommandListener]
) -> ShardClient:
    """A client of the shard at `uri` that connects when first used; writes wait for the majority."""
    return ShardClient(
        uri,
        username=user,
        password=password,
        authSource="admin",
        appName=database,
        tz_aware=True,
        tzinfo=UTC,
        maxPoolSize=POOL_SIZE,
        connectTimeoutMS=_milliseconds(CONNECT_TIMEOUT_S),
        serverSelectionTimeoutMS=_milliseconds(SELECTION_TIMEOUT_S),
        socketTimeoutMS=_milliseconds(SOCKET_TIMEOUT_S),
        heartbeatFrequencyMS=_milliseconds(LOOK_OUT_EVERY_S),
        retryReads=True,
        retryWrites=True,
        w="majority",
        event_listeners=list(listeners),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
