"""What a rate limit costs: a bare grpc.aio echo, RedisCluster GETs, and ShouldRateLimit beside them.

    PYTHONPATH=gen:. python load-tests/ratelimit.py [--seconds 4] [--rounds 3]

Needs `h2load` and `redis-server`. The variants take turns, each in a process of its own. The requests per
second of the process's CPU depend less on what else the machine does than the requests a second. Every
request is about the same key: "admitted" asks Redis each time, "refused" is answered from memory.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from measurement import (
    REDIS_PASSWORD,
    GrpcLoad,
    Throughput,
    build_echo_server,
    find_free_port,
    print_report,
    running_redis,
    wait_for_sigterm,
    wait_until_listening,
)

from chassis.redis.client import connect_redis

SHOULD_RATE_LIMIT_PATH: Final = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
RATE_LIMITS: Final = """
domain: bench
descriptors:
  - {key: admitted, rate_limit: {unit: year, requests_per_unit: 4000000000}}
  - {key: refused, rate_limit: {unit: year, requests_per_unit: 1}}
"""
BARE_ECHO, REDIS_GET, ADMITTED, TWO_DESCRIPTORS, REFUSED = VARIANTS = (
    "bare echo",
    "RedisCluster GET, 32 tasks",
    "admitted",
    "admitted, two descriptors",
    "refused",
)
DESCRIPTOR_KEYS: Final = {
    BARE_ECHO: ("admitted",),
    ADMITTED: ("admitted",),
    TWO_DESCRIPTORS: ("admitted", "admitted"),
    REFUSED: ("refused",),
}
CONCURRENT_GETS: Final = 32
RESPONSE_BYTES: Final = 180
"""The size of the answer to an admitted request."""


def build_request(variant: str) -> bytes:
    """Return the request of a variant."""
    entry = ratelimit_pb2.RateLimitDescriptor.Entry
    descriptors = [
        ratelimit_pb2.RateLimitDescriptor(entries=[entry(key=key, value=f"usr_{number}")])
        for number, key in enumerate(DESCRIPTOR_KEYS[variant])
    ]
    raw: bytes = rls_pb2.RateLimitRequest(domain="bench", descriptors=descriptors).SerializeToString()
    return raw


async def serve_echo(port: int) -> None:
    """Answer with as many bytes as the rate limiter does, until SIGTERM."""
    server = build_echo_server(SHOULD_RATE_LIMIT_PATH, bytes(RESPONSE_BYTES))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await wait_for_sigterm()
    await server.stop(1)


async def measure_gets_here(redis_port: int, duration_s: int) -> Throughput:
    """Return the throughput of GETs by this process."""
    redis = connect_redis([f"127.0.0.1:{redis_port}"], REDIS_PASSWORD)
    await redis.set("bench", "x" * 60)
    until, answered = time.monotonic() + duration_s, 0

    async def get_repeatedly() -> None:
        nonlocal answered
        while time.monotonic() < until:
            await redis.get("bench")
            answered += 1

    cpu_before_s = time.process_time()
    await asyncio.gather(*(get_repeatedly() for _ in range(CONCURRENT_GETS)))
    cpu_s = time.process_time() - cpu_before_s
    await redis.aclose()
    return Throughput(answered / duration_s, answered / cpu_s)


def measure_gets(redis_port: int, duration_s: int) -> Throughput:
    """Return the throughput of GETs by a process of their own."""
    command = [sys.executable, __file__, "--gets", str(redis_port), "--seconds", str(duration_s)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    per_s, per_cpu_s = printed.stdout.split()
    return Throughput(float(per_s), float(per_cpu_s))


def measure_variant(variant: str, redis_port: int, duration_s: int, folder: Path) -> Throughput:
    """Return the throughput of a variant in a process of its own."""
    if variant == REDIS_GET:
        return measure_gets(redis_port, duration_s)
    port = find_free_port()
    environment = limiter_environment(port, redis_port, folder)
    with (
        (folder / f"{variant}.log").open("wb") as log,
        subprocess.Popen(server_command(variant, port), env=environment, stdout=log) as server,
    ):
        try:
            wait_until_listening(port)
            load = GrpcLoad(SHOULD_RATE_LIMIT_PATH, build_request(variant))
            return load.measure(server, port, duration_s, folder)
        finally:
            server.terminate()


def server_command(variant: str, port: int) -> list[str]:
    """Return the command that serves a variant."""
    if variant == BARE_ECHO:
        return [sys.executable, __file__, "--echo", str(port)]
    return [sys.executable, "-m", "gateway.ratelimit"]


def limiter_environment(port: int, redis_port: int, folder: Path) -> dict[str, str]:
    """Return the environment of the rate limiter, whose limits are in `folder`."""
    return os.environ | {
        "IC_LISTEN_HOST": "127.0.0.1",
        "IC_GRPC_PORT": str(port),
        "IC_OPS_PORT": str(find_free_port()),
        "IC_REDIS_NODES": f"127.0.0.1:{redis_port}",
        "IC_REDIS_PASSWORD": REDIS_PASSWORD,
        "IC_LIMITS_DIR": str(folder),
    }


def compare_variants(duration_s: int, rounds: int) -> None:
    """Measure all variants in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as name, running_redis(name) as redis_port:
        folder = Path(name)
        (folder / "limits.yaml").write_text(RATE_LIMITS)
        found = [
            {variant: measure_variant(variant, redis_port, duration_s, folder) for variant in VARIANTS}
            for _ in range(rounds)
        ]
    print_report(found)


def main() -> None:
    """Compare the variants, or be the process of one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gets", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.echo:
        uvloop.run(serve_echo(given.echo))
    elif given.gets:
        found = uvloop.run(measure_gets_here(given.gets, given.seconds))
        print(found.per_s, found.per_cpu_s)  # noqa: T201
    else:
        compare_variants(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
