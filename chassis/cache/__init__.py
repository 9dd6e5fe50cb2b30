"""The shared cache of serialized answers, on Redis Cluster."""

import chassis.redis  # noqa: F401 - imports the client library as all others should find it
from chassis.cache.cache import Cache
from chassis.cache.store import CacheStore
from chassis.redis.nodes import StoreUnavailableError

__all__ = ["Cache", "CacheStore", "StoreUnavailableError"]
