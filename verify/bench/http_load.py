"""HTTP/2 load by h2load, which uses a fraction of the CPU of a client in Python."""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Final

from devstack import binaries
from ops.errors import OpsError
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.process_cpu import cpu_shares, read_cpu_by_process
from verify.bench.samples import LoadSample

HTTP_CONNECTIONS: Final = 4
STREAMS_PER_CONNECTION: Final = 8
EXIT_TIMEOUT_S: Final = 30.0
GRPC_HEADERS: Final = ("content-type: application/grpc", "te: trailers")


@dataclass(frozen=True)
class HttpLoadPlan:
    """GETs of these URLs in turn, or POSTs of `body` to the first of them if there is one.

    `processes` are those whose CPU is counted: their IDs by name.
    """

    urls: Sequence[str]
    processes: Mapping[str, int]
    body: bytes | None = None
    headers: tuple[str, ...] = ()


def grpc_frame(message: bytes) -> bytes:
    """Return a serialized message in gRPC's framing: uncompressed, after its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def run_http_load(plan: HttpLoadPlan, pace: MeasurementTimes) -> LoadSample:
    """Warm up, then measure. Raises OpsError when h2load fails."""
    measure_http_load(plan, max(1, round(pace.warm_up_s)))
    return measure_http_load(plan, max(1, round(pace.window_s)))


def measure_http_load(plan: HttpLoadPlan, seconds: int) -> LoadSample:
    """Measure without a warm-up. Raises OpsError when h2load fails."""
    with tempfile.TemporaryDirectory() as name:
        before = read_cpu_by_process(plan.processes)
        _run_h2load(plan, seconds, Path(name))
        shares = cpu_shares(before, read_cpu_by_process(plan.processes))
        lines = (Path(name) / "calls.tsv").read_text().splitlines()
    sample = parse_http_load_log(lines, seconds, sum(share.cpu_s for share in shares))
    return replace(sample, shares=shares if len(shares) > 1 else ())


def parse_http_load_log(lines: Iterable[str], window_s: float, used_s: float) -> LoadSample:
    """Return a sample from h2load's log: start, HTTP status and duration of each call, in microseconds."""
    latencies_s: list[float] = []
    failures: Counter[str] = Counter()
    for line in lines:
        _, status, took_us = line.split("\t")
        if status.startswith("2"):
            latencies_s.append(int(took_us) / 1e6)
        else:
            failures["no answer" if status == "-1" else f"HTTP {status}"] += 1
    return LoadSample(window_s, used_s, tuple(latencies_s), dict(failures))


def _run_h2load(plan: HttpLoadPlan, seconds: int, folder: Path) -> None:
    log = folder / "calls.tsv"
    (folder / "urls").write_text("\n".join(plan.urls) + "\n")
    options = [
        f"-c{HTTP_CONNECTIONS}",
        f"-m{STREAMS_PER_CONNECTION}",
        f"-D{seconds}",
        f"--log-file={log}",
        f"-i{folder / 'urls'}",
    ]
    options += [word for pair in zip(repeat("-H"), plan.headers, strict=False) for word in pair]
    if plan.body is not None:
        (folder / "body").write_bytes(plan.body)
        options.append(f"-d{folder / 'body'}")
    command = [str(binaries.h2load()), *options]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=seconds + EXIT_TIMEOUT_S
    )
    if done.returncode != 0 or not log.exists():
        raise OpsError(f"h2load failed:\n{(done.stderr or done.stdout).strip()}")
