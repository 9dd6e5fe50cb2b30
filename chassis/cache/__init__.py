"""The shared cache of serialized answers, on Redis Cluster."""

from chassis.cache.cache import Cache
from chassis.cache.store import CacheStore, StoreDownError

__all__ = ["Cache", "CacheStore", "StoreDownError"]
