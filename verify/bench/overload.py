"""Overload: twice a stack's capacity, sent at a steady rate whether or not calls are answered."""

import math
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack import binaries
from ops.errors import OpsError
from verify.bench.samples import percentile

OVERLOAD_CLIENTS: Final = 50
STREAMS_PER_CLIENT: Final = 100
"""Calls in flight of one client: enough never to reduce its rate within a deadline."""
CAPACITY_OPTIONS: Final = ("-c4", "-m8")
EXIT_TIMEOUT_S: Final = 30.0
REFUSED_STATUSES: Final = frozenset({"429", "503"})


@dataclass(frozen=True)
class OverloadResult:
    """The result: latencies of accepted calls, and the number of answers by HTTP status ("-1" is none)."""

    seconds: float
    latencies_s: Sequence[float]
    statuses: Counter[str]

    @property
    def accepted_per_s(self) -> float:
        """Successful answers a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def refused_share(self) -> float:
        """The share of calls that were asked to come again later."""
        return sum(self.statuses[status] for status in REFUSED_STATUSES) / max(1, self.statuses.total())

    @property
    def lost(self) -> dict[str, int]:
        """The calls that were neither carried out nor refused, by status."""
        return {
            status: count
            for status, count in self.statuses.items()
            if status not in REFUSED_STATUSES and not status.startswith("2")
        }

    def latency_s(self, share: float) -> float:
        """Return the latency that this share of the accepted calls did not exceed, in seconds."""
        return percentile(self.latencies_s, share)


def run_at_capacity(urls: Sequence[str], headers: Sequence[str], seconds: int) -> OverloadResult:
    """Send calls from 32 callers who wait for each answer. Raises OpsError."""
    return _run_h2load(urls, headers, seconds, CAPACITY_OPTIONS)


def run_at_rate(urls: Sequence[str], headers: Sequence[str], per_s: float, seconds: int) -> OverloadResult:
    """Send this number of requests a second, whether or not earlier ones were answered. Raises OpsError."""
    rate = math.ceil(per_s / OVERLOAD_CLIENTS)
    return _run_h2load(
        urls, headers, seconds, (f"-c{OVERLOAD_CLIENTS}", f"-m{STREAMS_PER_CLIENT}", f"--rps={rate}")
    )


def _run_h2load(
    urls: Sequence[str], headers: Sequence[str], seconds: int, load: Iterable[str]
) -> OverloadResult:
    with tempfile.TemporaryDirectory() as name:
        calls, listed = Path(name) / "calls.tsv", Path(name) / "urls.txt"
        listed.write_text("\n".join(urls) + "\n")
        sent = [part for header in headers for part in ("-H", header)]
        options = (f"-D{seconds}", f"--log-file={calls}", f"--input-file={listed}", *load)
        command = [str(binaries.h2load()), *options, *sent]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=seconds + EXIT_TIMEOUT_S)
        except (subprocess.SubprocessError, OSError) as error:
            raise OpsError(f"h2load fails: {error}") from error
        return parse_overload_log(calls.read_text().splitlines(), seconds)


def parse_overload_log(lines: Iterable[str], seconds: float) -> OverloadResult:
    """Return the result in h2load's log: start, HTTP status and duration of each call, in microseconds."""
    latencies_s: list[float] = []
    statuses: Counter[str] = Counter()
    for line in lines:
        _, status, took_us = line.split("\t")
        statuses[status] += 1
        if status.startswith("2"):
            latencies_s.append(int(took_us) / 1e6)
    return OverloadResult(seconds, latencies_s, statuses)
