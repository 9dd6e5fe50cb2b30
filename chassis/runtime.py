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
from chassis.grpc.mesh import Membership
from chassis.messaging import Subscription
from chassis.mongo.shards import Shards
from chassis.mongo.slots import SlotMap
from chassis.paging import PageTokens
from chassis.process import Work, close_with, live
from chassis.redis import connect
from chassis.roles.periodics import Periodic
from chassis.security.service_identity import ServiceIdentity
from chassis.settings import ChassisSettings, key_bytes

__all__ = ["Periodic", "Resources", "Room", "run"]

_ROLES: Final = ("serve", "work")
_WRONG_USAGE: Final = 2

S = TypeVar("S", bound=ChassisSettings)


@dataclass(frozen=True)
class Resources(Generic[S]):
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
class Room:
    """What one service consists of.

    `serve` answers the RPCs of `servicers` and runs `background` tasks; `work` feeds `subscriptions`, runs
    `periodics` and relays the outbox. `on_stop` runs when `serve` is told to stop, before it waits for the
    calls in flight: it ends streams that would not end by themselves. `on_close` runs last in either role,
    before the stores close.
    """

    servicers: tuple[object, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    periodics: tuple[Periodic, ...] = ()
    background: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_stop: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_close: tuple[Callable[[], Awaitable[None]], ...] = ()


def run(name: str, settings: type[S], build: Callable[[Resources[S]], Room]) -> NoReturn:
    """Runs the service `name` in the role that the command line names, until SIGTERM or SIGINT.

    Exits with 0 after a graceful end, 1 when it cannot start, 2 when the settings or the role are wrong.
    """
    role = _role_of(sys.argv)
    live(name, role, settings, partial(_prepare, name, role, build))


async def _prepare(
    name: str, role: str, build: Callable[[Resources[S]], Room], settings: S, closing: AsyncExitStack
) -> Work:
    resources = open_resources(name, settings, closing)
    room = build(resources)
    for close in room.on_close:
        close_with(closing, close)
    return _role(role, resources, room)


def _role_of(arguments: list[str]) -> str:
    if len(arguments) != 2 or arguments[1] not in _ROLES:
        print(f"usage: python -m services.<name> {'|'.join(_ROLES)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_WRONG_USAGE)
    return arguments[1]


def _role(name: str, resources: Resources[S], room: Room) -> Work:
    # Only here, as neither role needs the libraries of the other.
    module = importlib.import_module(f"chassis.roles.{name}")
    work: Work = getattr(module, name.capitalize())(resources, room)
    return work


def open_resources(
    name: str, settings: S, closing: AsyncExitStack, *, clock: Clock | None = None
) -> Resources[S]:
    """Makes what the room of the service `name` is built from; `closing` closes it in the end.

    No client connects before it is used. A clock other than the system's lets a room live in another time.
    """
    clock = clock or SystemClock()
    password = settings.mongo_password.get_secret_value()
    slot_map = SlotMap.load(settings.slot_map)
    shards = Shards(slot_map, f"ic_{name}", settings.mongo_user, password, clock=clock)
    close_with(closing, shards.close)
    redis = connect(settings.redis_nodes, settings.redis_password.get_secret_value())
    close_with(closing, redis.aclose)
    cache = Cache(redis, name)
    close_with(closing, cache.aclose)
    mesh = Membership(settings.xds_bootstrap) if settings.xds_bootstrap else None
    peers = Peers(settings.peers, ServiceIdentity.from_file(name, settings.service_key), mesh)
    close_with(closing, peers.close)
    return Resources(
        name=name,
        settings=settings,
        clock=clock,
        shards=shards,
        redis=redis,
        cache=cache,
        peers=peers,
        page_tokens=PageTokens(key_bytes(settings.page_token_key)),
    )
