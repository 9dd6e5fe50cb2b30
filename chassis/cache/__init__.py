"""The shared cache of serialized answers, on Redis Cluster."""

from chassis.cache.cache import Cache
from chassis.cache.store import CacheStore
from chassis.redis.nodes import StoreUnavailableError

__all__ = ["Cache", "CacheStore", "StoreUnavailableError"]
