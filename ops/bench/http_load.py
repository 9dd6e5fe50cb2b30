"""HTTP/2 load by h2load, which costs a fraction of what a client in Python does."""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final

from ops.bench.figures import Sample
from ops.bench.loop import Pace, cpu_s
from ops.errors import OpsError
from ops.stack import binaries

CONNECTIONS: Final = 4
STREAMS: Final = 8
GRACE_S: Final = 30.0
GRPC_HEADERS: Final = ("content-type: application/grpc", "te: trailers")


@dataclass(frozen=True)
class HttpPlan:
    """GETs that go round these URLs, or POSTs of `body` to the first of them when there is one."""

    urls: Sequence[str]
    pids: tuple[int, ...]
    body: bytes | None = None
    headers: tuple[str, ...] = ()


def grpc_frame(message: bytes) -> bytes:
    """A serialized message as gRPC sends it: uncompressed, with its length before it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def drive(plan: HttpPlan, pace: Pace) -> Sample:
    """Warms up, then measures. Raises OpsError when h2load fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(plan, max(1, round(pace.warm_up_s)), folder)
        before_s = cpu_s(plan.pids)
        seconds = max(1, round(pace.seconds))
        _run(plan, seconds, folder)
        used_s = cpu_s(plan.pids) - before_s
        return sample_of((folder / "calls.tsv").read_text().splitlines(), seconds, used_s)


def sample_of(lines: Iterable[str], window_s: float, used_s: float) -> Sample:
    """A sample from h2load's log: begin, HTTP status and duration of each call, in microseconds."""
    latencies_s: list[float] = []
    failures: Counter[str] = Counter()
    for line in lines:
        _, status, took_us = line.split("\t")
        if status.startswith("2"):
            latencies_s.append(int(took_us) / 1e6)
        else:
            failures["no answer" if status == "-1" else f"HTTP {status}"] += 1
    return Sample(window_s, used_s, tuple(latencies_s), dict(failures))


def _run(plan: HttpPlan, seconds: int, folder: Path) -> None:
    log = folder / "calls.tsv"
    log.unlink(missing_ok=True)
    (folder / "urls").write_text("\n".join(plan.urls) + "\n")
    options = [
        f"-c{CONNECTIONS}",
        f"-m{STREAMS}",
        f"-D{seconds}",
        f"--log-file={log}",
        f"-i{folder / 'urls'}",
    ]
    options += [word for pair in zip(repeat("-H"), plan.headers, strict=False) for word in pair]
    if plan.body is not None:
        (folder / "body").write_bytes(plan.body)
        options.append(f"-d{folder / 'body'}")
    command = [str(binaries.h2load()), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + GRACE_S)
    if done.returncode != 0 or not log.exists():
        raise OpsError(f"h2load failed:\n{(done.stderr or done.stdout).strip()}")
