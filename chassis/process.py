"""The frame of every process: settings, logs, signals, the ops port, and a graceful end.

It depends on no store, broker or gRPC server. `chassis.runtime` runs a service's role in it; a process that
needs neither MongoDB nor RabbitMQ uses it directly:

    async def prepare(settings: Settings, closing: AsyncExitStack) -> ProcessWork:
        redis = open_redis(settings, StoreTls(settings.stores_tls_folder))
        close_on_exit(closing, redis.aclose)
        return Limiter(settings, redis)

    run_process("ratelimit", "serve", Settings, prepare)
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, NoReturn, Protocol, TypeVar

import uvloop

from chassis.contracts import ContractError
from chassis.observability import logging, tracing
from chassis.observability.spans import SpanRecorder
from chassis.ops_server import OpsServer
from chassis.readiness import ReadinessCheck, ReadinessProbe
from chassis.settings import MisconfiguredError, ProcessSettings, fail_startup, load_settings

__all__ = ["STOP_GRACE_S", "ProcessWork", "close_on_exit", "run_process"]

STOP_GRACE_S: Final = 10.0
"""The grace period for work in flight once the process stops."""
_CLOSE_TIMEOUT_S: Final = 3.0
_GC_THRESHOLD: Final = 20_000

S = TypeVar("S", bound=ProcessSettings)

_log = logging.get_logger()


class ProcessWork(Protocol):
    """The work of a process between its start and its end."""

    def checks(self) -> list[ReadinessCheck]:
        """Return the checks of the dependencies that the process needs to be ready."""

    async def start(self) -> None: ...

    async def stop(self, grace_s: float) -> None:
        """Take no new work, and give work in flight `grace_s` seconds to finish."""


def run_process(
    name: str, role: str, settings: type[S], prepare: Callable[[S, AsyncExitStack], Awaitable[ProcessWork]]
) -> NoReturn:
    """Run the work that `prepare` makes until SIGTERM or SIGINT; logs and traces bear `name` and `role`.

    `prepare` registers resources to close at the end, last first: `close_on_exit(closing, it.close)`. Exits
    with 0 after a graceful end, 1 when it cannot start (OSError, ValueError, ContractError), 2 when the
    settings or files that they name are wrong (MisconfiguredError).
    """
    found = load_settings(settings)
    logging.configure_logging(name, role, level=found.log_level)
    tracing.configure_tracing(_span_recorder(name, role, found))
    try:
        uvloop.run(_run_process(found, prepare))
    except MisconfiguredError as error:
        fail_startup(error.problems)
    except (OSError, ValueError, ContractError) as error:
        _log.error("cannot run", error=str(error))
        raise SystemExit(1) from None
    finally:
        tracing.shut_down_tracing()
    raise SystemExit(0)


def _span_recorder(name: str, role: str, settings: ProcessSettings) -> SpanRecorder | None:
    """Return the recorder for the OTLP endpoint (host:port or http://host:port); None without one."""
    if not settings.otlp_endpoint:
        return None
    from chassis.observability.otlp_recorder import OtlpRecorder  # noqa: PLC0415 - heavy, seldom needed

    return OtlpRecorder(
        name,
        role,
        settings.otlp_endpoint,
        settings.trace_sample_ratio,
        installation={
            "deployment.environment.name": settings.environment,
            "internshipconnect.stack": settings.stack,
        },
    )


def close_on_exit(closing: AsyncExitStack, close: Callable[[], Awaitable[Any]]) -> None:
    """Register `close` for the end of the process; it has 3 s, and its error is logged."""
    closing.push_async_callback(partial(_close_quietly, close))


async def _run_process(settings: S, prepare: Callable[[S, AsyncExitStack], Awaitable[ProcessWork]]) -> None:
    stop_requested = _stop_signal_event()
    async with AsyncExitStack() as closing:
        work = await prepare(settings, closing)
        readiness = ReadinessProbe(work.checks)
        ops = OpsServer(readiness)
        await ops.start(settings.listen_host, settings.ops_port)
        close_on_exit(closing, ops.stop)
        await work.start()
        _freeze_gc()
        _log.info("started", ops_port=settings.ops_port)
        await stop_requested.wait()
        _log.info("stopping")
        readiness.stop()
        await _stop_work(work)
    _log.info("stopped")


def _freeze_gc() -> None:
    """Exclude the objects that start-up made from garbage collection: they stay until the process ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


async def _stop_work(work: ProcessWork) -> None:
    try:
        async with asyncio.timeout(STOP_GRACE_S + _CLOSE_TIMEOUT_S):
            await work.stop(STOP_GRACE_S)
    except TimeoutError:
        _log.warning("work in flight did not end in time")


async def _close_quietly(close: Callable[[], Awaitable[Any]]) -> None:
    """Close a resource and log its failure, so that the other resources are closed, too."""
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await close()
    except Exception as error:
        _log.warning("not closed cleanly", what=getattr(close, "__qualname__", ""), error=repr(error))


def _stop_signal_event() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop_requested = asyncio.Event()

    def tell() -> None:
        if stop_requested.is_set():
            os._exit(1)
        stop_requested.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, tell)
    return stop_requested
