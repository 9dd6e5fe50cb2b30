"""The life of one process: `python -m services.<name> serve` or `… work`, from start to graceful end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.clock import Clock
from chassis.grpc.client import Peers
from chassis.messaging import Subscription
from chassis.mongo.shards import Shards
from chassis.paging import PageTokens
from chassis.settings import ChassisSettings

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
class Periodic:
    """Work that the `work` role repeats about every `every_s` seconds, never twice at once in a process."""

    name: str
    every_s: float
    call: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Room:
    """What one service consists of.

    `serve` answers the RPCs of `servicers` and runs `background` tasks; `work` feeds `subscriptions`, runs
    `periodics` and relays the outbox. `on_close` runs last in either role, before the stores close.
    """

    servicers: tuple[object, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    periodics: tuple[Periodic, ...] = ()
    background: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_close: tuple[Callable[[], Awaitable[None]], ...] = ()


def run(name: str, settings: type[S], build: Callable[[Resources[S]], Room]) -> NoReturn:
    """Runs the service `name` in the role that the command line names, until SIGTERM or SIGINT."""
    raise SystemExit(f"{name}: {settings} {build}")
