"""What the interceptor chain costs: a bare grpc.aio echo, and an answer through the chain, cached or not.

    PYTHONPATH=gen:. python load-tests/grpc_chain.py [--seconds 4] [--rounds 3]

Needs `h2load` and `redis-server`. The variants take turns, each in a process of its own. The requests per
second of the server's CPU depend less on what else the machine does than the requests a second.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import uvloop
from measurement import (
    REDIS_PASSWORD,
    GrpcLoad,
    Throughput,
    build_echo_server,
    print_report,
    running_redis,
    wait_for_sigterm,
)

from chassis.cache import Cache
from chassis.cache.redis_store import RedisCacheStore
from chassis.grpc.interceptor_chain import build_standard_chain
from chassis.grpc.server import build_grpc_server
from chassis.redis.client import connect_redis
from internshipconnect.internship.v1 import internship_pb2
from verify.bench.chain_server import UnusedAuthentication, build_servicer
from verify.bench.constant_read import GET_METHOD, GET_REQUEST, GET_RESPONSE

BARE_ECHO, CHAIN, LOCAL_CACHE, REDIS_CACHE = VARIANTS = (
    "bare echo",
    "chain",
    "chain and local cache",
    "chain and Redis",
)
CACHE_TTL_S: Final = 600


async def serve(variant: str, redis_port: int) -> None:
    """Serve one variant until SIGTERM; print its port to stderr, as stdout takes the access log."""
    redis = connect_redis([f"127.0.0.1:{redis_port}"], REDIS_PASSWORD)
    # A plain store announces no changes, so the cache keeps no copies and reads from Redis each time.
    cache = Cache(RedisCacheStore(redis) if variant == REDIS_CACHE else redis, "bench")

    async def read_constant() -> bytes:
        return GET_RESPONSE

    async def read_cached() -> bytes:
        return await cache.read_through("listing", CACHE_TTL_S, load_internship) or b""

    async def load_internship() -> internship_pb2.Internship:
        return internship_pb2.Internship.FromString(GET_RESPONSE)

    server, port = build_variant_server(variant, read_constant if variant == CHAIN else read_cached)
    await server.start()
    print(port, file=sys.stderr, flush=True)  # noqa: T201
    await wait_for_sigterm()
    await server.stop(0)
    await cache.aclose()
    await redis.aclose()


def build_variant_server(variant: str, read: Callable[[], Awaitable[bytes]]) -> tuple[Any, int]:
    """Return a variant's server and its port."""
    if variant == BARE_ECHO:
        echo_server = build_echo_server(GET_METHOD, GET_RESPONSE)
        return echo_server, echo_server.add_insecure_port("127.0.0.1:0")
    unused = UnusedAuthentication()
    chain = build_standard_chain(verifier=unused, revocations=unused, claims=unused)
    server = build_grpc_server([build_servicer(read)], chain)
    return server, server.listen("127.0.0.1:0")


def measure_variant(variant: str, redis_port: int, duration_s: int, folder: Path) -> Throughput:
    """Return the throughput of a variant in a process of its own."""
    command = [sys.executable, __file__, "--serve", variant, "--redis", str(redis_port)]
    with (
        (folder / "access.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True) as server,
    ):
        try:
            port = int(server.stderr.readline()) if server.stderr else 0
            return GrpcLoad(GET_METHOD, GET_REQUEST).measure(server, port, duration_s, folder)
        finally:
            server.terminate()


def compare_variants(duration_s: int, rounds: int) -> None:
    """Measure all variants in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as name, running_redis(name) as redis_port:
        found = [
            {variant: measure_variant(variant, redis_port, duration_s, Path(name)) for variant in VARIANTS}
            for _ in range(rounds)
        ]
    print_report(found)


def main() -> None:
    """Compare the variants, or serve one of them for the process that does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--redis", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        uvloop.run(serve(given.serve, given.redis))
    else:
        compare_variants(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
