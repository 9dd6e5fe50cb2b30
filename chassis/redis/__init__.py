"""Redis Cluster: the client, and the modules that store state there.

Modules outside this package import the client's class from here: so the library is imported first of all
without OpenTelemetry, which it would count with.
"""

from chassis.optional_dependencies import hide_optional_dependencies

with hide_optional_dependencies("opentelemetry"):
    from redis.asyncio.cluster import RedisCluster

__all__ = ["RedisCluster"]
