"""The life of one process: `python -m services.<name> serve` or `… work`, from start to graceful end."""

import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, NoReturn, TypeVar

import uvloop
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.clock import Clock, SystemClock
from chassis.contracts import ContractError
from chassis.grpc.client import Peers
from chassis.messaging import Subscription
from chassis.mongo.shards import Shards
from chassis.mongo.slots import SlotMap
from chassis.observability import logging, tracing
from chassis.ops_server import OpsServer
from chassis.paging import PageTokens
from chassis.readiness import Readiness
from chassis.redis import connect
from chassis.roles.periodics import Periodic
from chassis.roles.role import Role
from chassis.security.service_identity import ServiceIdentity
from chassis.settings import ChassisSettings, key_bytes, load

__all__ = ["Periodic", "Resources", "Room", "run"]

GRACE_S: Final = 10.0
"""How long work in flight may take to finish once the process was told to stop."""
_CLOSE_TIMEOUT_S: Final = 3.0
_ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 20_000
_ROLES: Final = ("serve", "work")
_WRONG_USAGE: Final = 2

S = TypeVar("S", bound=ChassisSettings)

_log = logging.get_logger()


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
    found = load(settings)
    logging.configure(name, role, level=found.log_level)
    tracing.configure(name, role, otlp_endpoint=found.otlp_endpoint, sample_ratio=found.trace_sample_ratio)
    try:
        uvloop.run(_live(name, role, found, build))
    except (OSError, ValueError, ContractError) as error:
        _log.error("cannot run", error=str(error))
        raise SystemExit(1) from None
    finally:
        tracing.close()
    raise SystemExit(0)


async def _live(name: str, role: str, settings: S, build: Callable[[Resources[S]], Room]) -> None:
    told_to_stop = _stop_signals()
    async with AsyncExitStack() as closing:
        resources = open_resources(name, settings, closing)
        room = build(resources)
        for close in room.on_close:
            _close_with(closing, close)
        work = _role(role, resources, room)
        readiness = Readiness(work.checks())
        ops = OpsServer(readiness)
        await ops.start(settings.listen_host, settings.ops_port)
        _close_with(closing, ops.stop)
        await work.start()
        _spare_the_collector()
        _log.info("started", ops_port=settings.ops_port)
        await told_to_stop.wait()
        _log.info("stopping")
        readiness.stop()
        await _stop(work)
    _log.info("stopped")


def _spare_the_collector() -> None:
    """What start-up made stays for good, so it need not be looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)


def _role_of(arguments: list[str]) -> str:
    if len(arguments) != 2 or arguments[1] not in _ROLES:
        print(f"usage: python -m services.<name> {'|'.join(_ROLES)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_WRONG_USAGE)
    return arguments[1]


def _role(name: str, resources: Resources[S], room: Room) -> Role:
    # Only here, as neither role needs the libraries of the other.
    module = importlib.import_module(f"chassis.roles.{name}")
    role: Role = getattr(module, name.capitalize())(resources, room)
    return role


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
    _close_with(closing, shards.close)
    redis = connect(settings.redis_nodes, settings.redis_password.get_secret_value())
    _close_with(closing, redis.aclose)
    cache = Cache(redis, name)
    _close_with(closing, cache.aclose)
    peers = Peers(settings.peers, ServiceIdentity.from_file(name, settings.service_key))
    _close_with(closing, peers.close)
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


async def _stop(work: Role) -> None:
    try:
        async with asyncio.timeout(GRACE_S + _CLOSE_TIMEOUT_S):
            await work.stop(GRACE_S)
    except TimeoutError:
        _log.warning("work in flight did not end in time")


def _close_with(closing: AsyncExitStack, close: Callable[[], Awaitable[Any]]) -> None:
    closing.push_async_callback(partial(_close, close))


async def _close(close: Callable[[], Awaitable[Any]]) -> None:
    """Closing has to go on whatever one of the things to close does."""
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await close()
    except Exception as error:
        _log.warning("not closed cleanly", what=getattr(close, "__qualname__", ""), error=repr(error))


def _stop_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second one ends the process at once."""
    told = asyncio.Event()

    def tell() -> None:
        if told.is_set():
            os._exit(1)
        told.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, tell)
    return told
