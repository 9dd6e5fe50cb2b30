"""What a rate limit costs: a bare grpc.aio echo, RedisCluster GETs, and ShouldRateLimit beside them.

    PYTHONPATH=gen:. python load-tests/ratelimit.py [--seconds 4] [--rounds 3]

Needs `h2load` and `redis-server`. The variants take turns, each in a process of its own; besides requests a
second the requests per second of the process's CPU are given, which other work on the machine disturbs less.
Every request is about the same key: "admitted" asks Redis each time, "refused" is answered from memory.
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import uvloop
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_chain import PASSWORD, Figures, cpu_s, load, running_redis

from chassis.redis.client import connect_redis

SHOULD_RATE_LIMIT_PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
LIMITS = """
domain: bench
descriptors:
  - {key: admitted, rate_limit: {unit: year, requests_per_unit: 4000000000}}
  - {key: refused, rate_limit: {unit: year, requests_per_unit: 1}}
"""
BARE, GETS, ADMITTED, BOTH, REFUSED = VARIANTS = (
    "bare echo",
    "RedisCluster GET, 32 tasks",
    "admitted",
    "admitted, two descriptors",
    "refused",
)
KEYS = {BARE: ("admitted",), ADMITTED: ("admitted",), BOTH: ("admitted",) * 2, REFUSED: ("refused",)}
TASKS = 32


def build_request(variant: str) -> bytes:
    entry = ratelimit_pb2.RateLimitDescriptor.Entry
    descriptors = [
        ratelimit_pb2.RateLimitDescriptor(entries=[entry(key=key, value=f"usr_{number}")])
        for number, key in enumerate(KEYS[variant])
    ]
    raw: bytes = rls_pb2.RateLimitRequest(domain="bench", descriptors=descriptors).SerializeToString()
    return raw


async def echo(port: int) -> None:
    """Answer any bytes with as many as the answer to an admitted request has."""
    answer = bytes(180)

    async def echo(_request: bytes, _context: object) -> bytes:
        return answer

    service, _, method = SHOULD_RATE_LIMIT_PATH[1:].partition("/")
    handlers: Any = {method: grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1)


async def measure_gets_in_process(redis_port: int, seconds: int) -> Figures:
    redis = connect_redis([f"127.0.0.1:{redis_port}"], PASSWORD)
    await redis.set("bench", "x" * 60)
    until, answered = time.monotonic() + seconds, 0

    async def ask() -> None:
        nonlocal answered
        while time.monotonic() < until:
            await redis.get("bench")
            answered += 1

    before = time.process_time()
    await asyncio.gather(*(ask() for _ in range(TASKS)))
    used_s = time.process_time() - before
    await redis.aclose()
    return Figures(answered / seconds, answered / used_s)


def measure_gets(redis_port: int, seconds: int) -> Figures:
    command = [sys.executable, __file__, "--gets", str(redis_port), "--seconds", str(seconds)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    per_s, per_cpu_s = found.stdout.split()
    return Figures(float(per_s), float(per_cpu_s))


def measure_variant(variant: str, redis_port: int, seconds: int, folder: Path) -> Figures:
    if variant == GETS:
        return measure_gets(redis_port, seconds)
    port = free_port()
    with (
        (folder / f"{variant}.log").open("wb") as log,
        subprocess.Popen(
            command(variant, port), env=environment(port, redis_port, folder), stdout=log
        ) as server,
    ):
        try:
            wait_until_listening(port)
            load(port, 1, folder, SHOULD_RATE_LIMIT_PATH, build_request(variant))
            before = cpu_s(server.pid)
            answered, per_s = load(port, seconds, folder, SHOULD_RATE_LIMIT_PATH, build_request(variant))
            return Figures(per_s, answered / (cpu_s(server.pid) - before))
        finally:
            server.terminate()


def command(variant: str, port: int) -> list[str]:
    if variant == BARE:
        return [sys.executable, __file__, "--echo", str(port)]
    return [sys.executable, "-m", "gateway.ratelimit"]


def environment(port: int, redis_port: int, folder: Path) -> dict[str, str]:
    return os.environ | {
        "IC_LISTEN_HOST": "127.0.0.1",
        "IC_GRPC_PORT": str(port),
        "IC_OPS_PORT": str(free_port()),
        "IC_REDIS_NODES": f"127.0.0.1:{redis_port}",
        "IC_REDIS_PASSWORD": PASSWORD,
        "IC_LIMITS_DIR": str(folder),
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def wait_until_listening(port: int) -> None:
    for _ in range(200):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server does not start")


def compare_variants(seconds: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, running_redis(name) as redis_port:
        folder = Path(name)
        (folder / "limits.yaml").write_text(LIMITS)
        runs = [
            {each: measure_variant(each, redis_port, seconds, folder) for each in VARIANTS}
            for _ in range(rounds)
        ]
    print_report(runs)


def print_report(runs: list[dict[str, Figures]]) -> None:
    print(f"{'':26} {'req/s':>8} {'of bare':>8} {'req/CPU-s':>10} {'of bare':>8} {'CPU µs':>8}")  # noqa: T201
    for variant in VARIANTS:
        per_s, share = median_and_share(runs, variant, lambda figures: figures.per_s)
        per_cpu_s, cpu_share = median_and_share(runs, variant, lambda figures: figures.per_cpu_s)
        figures = f"{per_s:8.0f} {share:8.0%} {per_cpu_s:10.0f} {cpu_share:8.0%} {1e6 / per_cpu_s:8.0f}"
        print(f"{variant:26} {figures}")  # noqa: T201


def median_and_share(
    runs: list[dict[str, Figures]], variant: str, figure: Callable[[Figures], float]
) -> tuple[float, float]:
    """Return the median of a figure, and of its share of the bare echo's in the same round."""
    shares = [figure(run[variant]) / figure(run[BARE]) for run in runs]
    return statistics.median(figure(run[variant]) for run in runs), statistics.median(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gets", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.echo:
        uvloop.run(echo(given.echo))
    elif given.gets:
        figures = uvloop.run(measure_gets_in_process(given.gets, given.seconds))
        print(figures.per_s, figures.per_cpu_s)  # noqa: T201
    else:
        compare_variants(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
