"""The definition of a service: the resources that it gets and the parts that its roles run."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.cache import Cache
from chassis.clock import Clock, SystemClock
from chassis.grpc.client import Peers
from chassis.grpc.engine.server_engine import EngineMethod
from chassis.grpc.mesh import MeshMembership
from chassis.messaging import Subscription
from chassis.page_tokens import PageTokens
from chassis.process import close_on_exit
from chassis.redis import RedisCluster
from chassis.redis.client import open_redis
from chassis.security.mutual_tls import MutualTls
from chassis.security.service_identity import ServiceIdentity
from chassis.settings import ChassisSettings, decode_key
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from chassis.store_tls import StoreTls

S = TypeVar("S", bound=ChassisSettings)


@dataclass(frozen=True)
class ServiceResources(Generic[S]):
    """The clients that a service is built from; the runtime closes them all."""

    name: str
    settings: S
    clock: Clock
    shards: Shards
    redis: RedisCluster
    cache: Cache
    peers: Peers
    page_tokens: PageTokens
    tls: MutualTls | None
    store_tls: StoreTls


@dataclass(frozen=True)
class PeriodicTask:
    """Work that the role `work` repeats about every `interval_s` seconds, never twice at once."""

    name: str
    interval_s: float
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class ServiceDefinition:
    """The parts of one service.

    The role `serve` answers the RPCs of `servicers` and runs `background_tasks`. It also answers
    `other_methods`, of APIs that are not ours: no interceptor knows those. `work` feeds
    `subscriptions`, runs `periodic_tasks` and relays the outbox. `on_stop` runs when `serve` begins to stop,
    before it waits for the calls in flight: it ends streams that would not end by themselves. `on_close` runs
    last in either role, in reverse order, before the stores close.
    """

    servicers: tuple[object, ...] = ()
    other_methods: tuple[EngineMethod, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    periodic_tasks: tuple[PeriodicTask, ...] = ()
    background_tasks: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_stop: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_close: tuple[Callable[[], Awaitable[None]], ...] = ()


def open_resources(
    name: str, settings: S, closing: AsyncExitStack, *, clock: Clock | None = None
) -> ServiceResources[S]:
    """Make the clients that the service `name` is built from; `closing` closes them.

    No client connects before it is used. Another clock than the system's runs a service at another time.
    """
    clock = clock or SystemClock()
    password = settings.mongo_password.get_secret_value()
    slot_map = SlotMap.load(settings.slot_map)
    store_tls = StoreTls(settings.stores_tls_folder)
    shards = Shards(slot_map, f"ic_{name}", settings.mongo_user, password, clock=clock, tls=store_tls)
    close_on_exit(closing, shards.close)
    redis = open_redis(settings, store_tls)
    close_on_exit(closing, redis.aclose)
    cache = Cache(redis, name)
    close_on_exit(closing, cache.aclose)
    tls = MutualTls.open(settings.tls_folder)
    mesh = MeshMembership(settings.xds_bootstrap, settings.node_id, tls) if settings.xds_bootstrap else None
    identity = ServiceIdentity.from_file(name, settings.service_key)
    peers = Peers(settings.peers, identity, mesh, tls=tls)
    close_on_exit(closing, peers.close)
    return ServiceResources(
        name=name,
        settings=settings,
        clock=clock,
        shards=shards,
        redis=redis,
        cache=cache,
        peers=peers,
        tls=tls,
        store_tls=store_tls,
        page_tokens=PageTokens(decode_key(settings.page_token_key)),
    )
