"""What the benchmarks of single parts share: h2load, a Redis of their own, CPU time, the table of results."""

import asyncio
import os
import re
import signal
import socket
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from redis import Redis
from redis.exceptions import RedisError

from ops.waiting import wait_until

H2LOAD_CONNECTIONS, H2LOAD_STREAMS = 4, 8
WARM_UP_S: Final = 1
START_TIMEOUT_S: Final = 120.0
POLL_INTERVAL_S: Final = 0.1
REDIS_PASSWORD: Final = "bench"  # noqa: S105


@dataclass(frozen=True)
class Throughput:
    """Requests a second of one run, and requests per second of the server's CPU."""

    per_s: float
    per_cpu_s: float


@dataclass(frozen=True)
class GrpcLoad:
    """One message that h2load sends to a gRPC method again and again."""

    path: str
    message: bytes

    def measure(
        self, process: "subprocess.Popen[Any]", port: int, duration_s: int, folder: Path
    ) -> Throughput:
        """Return the throughput of a server's process, after a second of warming up."""
        self.run(port, WARM_UP_S, folder)
        cpu_before_s = read_cpu_s(process.pid)
        answered, per_s = self.run(port, duration_s, folder)
        return Throughput(per_s, answered / (read_cpu_s(process.pid) - cpu_before_s))

    def run(self, port: int, duration_s: int, folder: Path) -> tuple[int, float]:
        """Return the answered requests of one run, and how many a second. Raises SystemExit without any."""
        body = folder / "request.bin"
        body.write_bytes(b"\0" + len(self.message).to_bytes(4, "big") + self.message)
        command = ["h2load", f"-c{H2LOAD_CONNECTIONS}", f"-m{H2LOAD_STREAMS}", f"-D{duration_s}", f"-d{body}"]
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        url = f"http://127.0.0.1:{port}{self.path}"
        run = subprocess.run([*command, *headers, url], capture_output=True, text=True, check=True)
        per_s = re.search(r"finished in .*?, ([\d.]+) req/s", run.stdout)
        answered = re.search(r"(\d+) succeeded", run.stdout)
        if per_s is None or answered is None or int(answered[1]) == 0:
            raise SystemExit(run.stdout)
        return int(answered[1]), float(per_s[1])


def read_cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def build_echo_server(path: str, answer: bytes) -> grpc.aio.Server:
    """Return a bare server, without a port yet, that answers one method with the same bytes."""

    async def echo(_request: bytes, _context: object) -> bytes:
        return answer

    service, _, method = path[1:].partition("/")
    handlers: Any = {method: grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    return server


async def wait_for_sigterm() -> None:
    """Return when the process is asked to end."""
    is_ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_ending.set)
    await is_ending.wait()


def find_free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until_listening(port: int) -> None:
    """Wait for a server's port. Raises SystemExit when it does not start."""
    if not wait_until(lambda: _is_listening(port), timeout_s=START_TIMEOUT_S, interval_s=POLL_INTERVAL_S):
        raise SystemExit("the server does not start")


@contextmanager
def running_redis(folder: str) -> Iterator[int]:
    """Run a Redis cluster of one node that holds all slots, and yield its port."""
    port = 10_000 + os.getpid() % 20_000
    options = ["--save", "", "--dir", folder, "--cluster-enabled", "yes", "--requirepass", REDIS_PASSWORD]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until_listening(port)
            with Redis(port=port, password=REDIS_PASSWORD) as redis:
                redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
                if not wait_until(
                    lambda: _is_cluster_ok(redis), timeout_s=START_TIMEOUT_S, interval_s=POLL_INTERVAL_S
                ):
                    raise SystemExit("the Redis cluster does not start")
            yield port
        finally:
            server.terminate()


def print_report(rounds: Sequence[dict[str, Throughput]]) -> None:
    """Print the medians of all rounds by variant; the first variant is the baseline of the shares."""
    baseline, *_ = variants = list(rounds[0])
    width = max(map(len, variants))
    print(f"{'':{width}} {'req/s':>8} {'of bare':>8} {'req/CPU-s':>10} {'of bare':>8} {'CPU µs':>8}")  # noqa: T201
    for variant in variants:
        per_s, share = _median_and_share(rounds, variant, baseline, lambda found: found.per_s)
        per_cpu_s, cpu_share = _median_and_share(rounds, variant, baseline, lambda found: found.per_cpu_s)
        row = f"{per_s:8.0f} {share:8.0%} {per_cpu_s:10.0f} {cpu_share:8.0%} {1e6 / per_cpu_s:8.0f}"
        print(f"{variant:{width}} {row}")  # noqa: T201


def _is_listening(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _is_cluster_ok(redis: "Redis") -> bool:
    try:
        return b"cluster_state:ok" in redis.execute_command("CLUSTER", "INFO")
    except RedisError:
        return False


def _median_and_share(
    rounds: Sequence[dict[str, Throughput]],
    variant: str,
    baseline: str,
    rate: Callable[[Throughput], float],
) -> tuple[float, float]:
    """Return the median of a rate, and of its share of the baseline's in the same round."""
    shares = [rate(found[variant]) / rate(found[baseline]) for found in rounds]
    return statistics.median(rate(found[variant]) for found in rounds), statistics.median(shares)
