"""The process of a service, `python -m services.<name> serve` or `… work`: its room in the common frame."""

import importlib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, NoReturn, TypeVar

from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.clock import Clock, SystemClock
from chassis.grpc.client import Peers
from chassis.grpc.mesh import MeshMembership
from chassis.messaging import QueueSubscription
from chassis.page_tokens import PageTokens
from chassis.process import ProcessWork, close_on_exit, run_process
from chassis.redis.client import connect_redis
from chassis.roles.periodic_tasks import PeriodicTask
from chassis.security.service_identity import ServiceIdentity
from chassis.settings import ChassisSettings, decode_key
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap

__all__ = ["PeriodicTask", "ServiceDefinition", "ServiceResources", "run_service"]

_ROLES: Final = {
    "serve": ("chassis.roles.serve", "ServeRole"),
    "work": ("chassis.roles.work", "WorkRole"),
}
_EXIT_WRONG_USAGE: Final = 2

S = TypeVar("S", bound=ChassisSettings)


@dataclass(frozen=True)
class ServiceResources(Generic[S]):
    """What a room is built from; all of it is closed by the runtime."""

    name: str
    settings: S
    clock: Clock
    shards: Shards
    redis: RedisCluster
    cache: Cache
    peers: Peers
    page_tokens: PageTokens


@dataclass(frozen=True)
class ServiceDefinition:
    """What one service consists of.

    `serve` answers the RPCs of `servicers` and runs `background` tasks; `work` feeds `subscriptions`, runs
    `periodics` and relays the outbox. `on_stop` runs when `serve` is told to stop, before it waits for the
    calls in flight: it ends streams that would not end by themselves. `on_close` runs last in either role,
    before the stores close.
    """

    servicers: tuple[object, ...] = ()
    subscriptions: tuple[QueueSubscription, ...] = ()
    periodic_tasks: tuple[PeriodicTask, ...] = ()
    background_tasks: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_stop: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_close: tuple[Callable[[], Awaitable[None]], ...] = ()


def run_service(
    name: str, settings: type[S], build: Callable[[ServiceResources[S]], ServiceDefinition]
) -> NoReturn:
    """Runs the service `name` in the role that the command line names, until SIGTERM or SIGINT.

    Exits with 0 after a graceful end, 1 when it cannot start, 2 when the settings or the role are wrong.
    """
    role = _parse_role(sys.argv)
    run_process(name, role, settings, partial(_prepare_role, name, role, build))


async def _prepare_role(
    name: str,
    role: str,
    build: Callable[[ServiceResources[S]], ServiceDefinition],
    settings: S,
    closing: AsyncExitStack,
) -> ProcessWork:
    resources = open_resources(name, settings, closing)
    definition = build(resources)
    for close in definition.on_close:
        close_on_exit(closing, close)
    return _build_role(role, resources, definition)


def _parse_role(arguments: list[str]) -> str:
    if len(arguments) != 2 or arguments[1] not in _ROLES:
        print(f"usage: python -m services.<name> {'|'.join(_ROLES)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_EXIT_WRONG_USAGE)
    return arguments[1]


def _build_role(name: str, resources: ServiceResources[S], definition: ServiceDefinition) -> ProcessWork:
    # Only here, as neither role needs the libraries of the other.
    module, role = _ROLES[name]
    work: ProcessWork = getattr(importlib.import_module(module), role)(resources, definition)
    return work


def open_resources(
    name: str, settings: S, closing: AsyncExitStack, *, clock: Clock | None = None
) -> ServiceResources[S]:
    """Makes what the room of the service `name` is built from; `closing` closes it in the end.

    No client connects before it is used. A clock other than the system's lets a room live in another time.
    """
    clock = clock or SystemClock()
    password = settings.mongo_password.get_secret_value()
    slot_map = SlotMap.load(settings.slot_map)
    shards = Shards(slot_map, f"ic_{name}", settings.mongo_user, password, clock=clock)
    close_on_exit(closing, shards.close)
    redis = connect_redis(settings.redis_nodes, settings.redis_password.get_secret_value())
    close_on_exit(closing, redis.aclose)
    cache = Cache(redis, name)
    close_on_exit(closing, cache.aclose)
    mesh = MeshMembership(settings.xds_bootstrap) if settings.xds_bootstrap else None
    peers = Peers(settings.peers, ServiceIdentity.from_file(name, settings.service_key), mesh)
    close_on_exit(closing, peers.close)
    return ServiceResources(
        name=name,
        settings=settings,
        clock=clock,
        shards=shards,
        redis=redis,
        cache=cache,
        peers=peers,
        page_tokens=PageTokens(decode_key(settings.page_token_key)),
    )
