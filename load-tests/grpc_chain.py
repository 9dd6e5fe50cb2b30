"""What the interceptor chain costs: a bare grpc.aio echo, and an answer through the chain, cached or not.

    PYTHONPATH=gen:. python load-tests/grpc_chain.py [--seconds 4] [--rounds 3]

Needs `h2load` and `redis-server`. The variants take turns, each in a process of its own; besides requests a
second the requests per second of the server's CPU are given, which other work on the machine disturbs less.
"""

import argparse
import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvloop
from redis import Redis

from chassis.cache import Cache
from chassis.cache.redis_store import RedisCacheStore
from chassis.call_context import IdempotentOperation, Principal
from chassis.errors import DomainError
from chassis.grpc.interceptor_chain import build_standard_chain
from chassis.grpc.server import build_grpc_server, cast_serialized
from chassis.redis.client import connect_redis
from chassis.sharding.idempotency_store import IdempotencyClaim
from internshipconnect.internship.v1 import internship_pb2, internship_pb2_grpc

GET_INTERNSHIP_PATH = "/internshipconnect.internship.v1.InternshipService/GetInternship"
INTERNSHIP_ID = "int_01JD0000000000000000000000"
REQUEST = internship_pb2.GetInternshipRequest(internship_id=INTERNSHIP_ID).SerializeToString()
RESPONSE = internship_pb2.Internship(id=INTERNSHIP_ID, description="d" * 460).SerializeToString()
CONNECTIONS, STREAMS = 4, 8
VARIANTS = ("bare echo", "chain", "chain and near copy", "chain and Redis")
PASSWORD = "bench"  # noqa: S105


@dataclass(frozen=True)
class Figures:
    """One run of one variant."""

    per_s: float
    per_cpu_s: float


class UnusedAuthentication:
    """Tokens, sessions and claims of a public read: never asked."""

    async def verify(self, token: str) -> Principal:
        raise DomainError("TOKEN_INVALID", token)

    async def raise_if_revoked(self, session_id: str) -> None:
        raise DomainError("SESSION_REVOKED", session_id)

    async def claim_operation(self, claim: IdempotencyClaim, lease_s: float) -> IdempotentOperation | bytes:
        raise DomainError("INTERNAL", claim.id)

    async def store_answer(self, claim: IdempotencyClaim, answer: bytes) -> None: ...

    async def release(self, claim: IdempotencyClaim) -> None: ...

    async def expire(self, claim: IdempotencyClaim) -> None: ...


def servicer(read: Callable[[], Awaitable[bytes]]) -> object:
    """Answer GetInternship with the result of `read`; the contract's other RPCs are not called."""

    async def get(_self: object, _request: object, _context: object) -> internship_pb2.Internship:
        return cast_serialized(internship_pb2.Internship, await read())

    async def other(_self: object, _request: object, _context: object) -> None: ...

    base = internship_pb2_grpc.InternshipServiceServicer
    methods = {name: other for name in vars(base) if name[0].isupper()}
    return type("Listings", (base,), methods | {"GetInternship": get})()


async def serve(variant: str, redis_port: int) -> None:
    redis = connect_redis([f"127.0.0.1:{redis_port}"], PASSWORD)
    # Handed over as a mere store, Redis tells of no changes, so that every read goes there.
    cache = Cache(RedisCacheStore(redis) if variant == VARIANTS[3] else redis, "bench")

    async def from_memory() -> bytes:
        return RESPONSE

    async def from_cache() -> bytes:
        return await cache.read_through("listing", 600, load_once) or b""

    async def load_once() -> internship_pb2.Internship:
        return internship_pb2.Internship.FromString(RESPONSE)

    server, port = (
        build_echo_server()
        if variant == VARIANTS[0]
        else build_chain_server(from_memory if variant == VARIANTS[1] else from_cache)
    )
    await server.start()
    print(port, file=sys.stderr, flush=True)  # noqa: T201 - stdout takes the access log
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)
    await cache.aclose()
    await redis.aclose()


def build_echo_server() -> tuple[Any, int]:
    async def echo(_request: bytes, _context: object) -> bytes:
        return RESPONSE

    service, _, method = GET_INTERNSHIP_PATH[1:].partition("/")
    handlers: Any = {method: grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    return server, server.add_insecure_port("127.0.0.1:0")


def build_chain_server(read: Callable[[], Awaitable[bytes]]) -> tuple[Any, int]:
    nobody = UnusedAuthentication()
    server = build_grpc_server(
        [servicer(read)], build_standard_chain(verifier=nobody, revocations=nobody, claims=nobody)
    )
    return server, server.listen("127.0.0.1:0")


def measure_variant(variant: str, redis_port: int, seconds: int, folder: Path) -> Figures:
    command = [sys.executable, __file__, "--serve", variant, "--redis", str(redis_port)]
    with (
        (folder / "access.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True) as server,
    ):
        try:
            port = int(server.stderr.readline()) if server.stderr else 0
            load(port, 1, folder)
            before = cpu_s(server.pid)
            answered, per_s = load(port, seconds, folder)
            return Figures(per_s, answered / (cpu_s(server.pid) - before))
        finally:
            server.terminate()


def load(
    port: int, seconds: int, folder: Path, path: str = GET_INTERNSHIP_PATH, message: bytes = REQUEST
) -> tuple[int, float]:
    """Send one message to a gRPC method again and again; return the answers, and answers a second."""
    body = folder / "request.bin"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    command = ["h2load", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}", f"-d{body}"]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    run = subprocess.run(
        [*command, *headers, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    per_s = re.search(r"finished in .*?, ([\d.]+) req/s", run.stdout)
    answered = re.search(r"(\d+) succeeded", run.stdout)
    if per_s is None or answered is None or int(answered[1]) == 0:
        raise SystemExit(run.stdout)
    return int(answered[1]), float(per_s[1])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare_variants(seconds: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, running_redis(name) as redis_port:
        folder = Path(name)
        runs = [
            {each: measure_variant(each, redis_port, seconds, folder) for each in VARIANTS}
            for _ in range(rounds)
        ]
    print_report(runs)


@contextmanager
def running_redis(folder: str) -> Iterator[int]:
    """Run a Redis cluster of one node that holds all slots, and yield its port."""
    port = 10_000 + os.getpid() % 20_000
    options = ["--save", "", "--dir", folder, "--cluster-enabled", "yes", "--requirepass", PASSWORD]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            time.sleep(1)
            with Redis(port=port, password=PASSWORD) as redis:
                redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
                while b"cluster_state:ok" not in redis.execute_command("CLUSTER", "INFO"):
                    time.sleep(0.1)
            yield port
        finally:
            server.terminate()


def print_report(runs: list[dict[str, Figures]]) -> None:
    print(f"{'':22} {'req/s':>8} {'of bare':>8} {'req/CPU-s':>10} {'of bare':>8} {'CPU µs':>8}")  # noqa: T201
    for variant in VARIANTS:
        per_s, share = median_and_share(runs, variant, lambda figures: figures.per_s)
        per_cpu_s, cpu_share = median_and_share(runs, variant, lambda figures: figures.per_cpu_s)
        figures = f"{per_s:8.0f} {share:8.0%} {per_cpu_s:10.0f} {cpu_share:8.0%} {1e6 / per_cpu_s:8.0f}"
        print(f"{variant:22} {figures}")  # noqa: T201


def median_and_share(
    runs: list[dict[str, Figures]], variant: str, figure: Callable[[Figures], float]
) -> tuple[float, float]:
    """Return the median of a figure, and of its share of the bare echo's in the same round."""
    bare_echo = VARIANTS[0]
    shares = [figure(run[variant]) / figure(run[bare_echo]) for run in runs]
    return statistics.median(figure(run[variant]) for run in runs), statistics.median(shares)


def main() -> None:
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
