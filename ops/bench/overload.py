"""More than a stack can take: twice its capacity, sent at a steady rate whatever comes back."""

import math
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.bench.figures import percentile
from ops.errors import OpsError
from ops.stack import binaries

CLIENTS: Final = 50
STREAMS_EACH: Final = 100
"""So many answers one client waits for at once: enough never to hold its rate back within a deadline."""
AT_CAPACITY: Final = ("-c4", "-m8")
ENDS_WITHIN_S: Final = 30.0
REFUSED: Final = frozenset({"429", "503"})


@dataclass(frozen=True)
class Flood:
    """What came back: latencies of what was accepted, and how often each HTTP status came ("-1" is none)."""

    seconds: float
    latencies_s: Sequence[float]
    statuses: Counter[str]

    @property
    def accepted_per_s(self) -> float:
        """Answers with success, a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def refused_share(self) -> float:
        """The share of all that were told to come again later."""
        return sum(self.statuses[status] for status in REFUSED) / max(1, self.statuses.total())

    @property
    def lost(self) -> dict[str, int]:
        """What was neither carried out nor refused, by status."""
        return {
            status: count
            for status, count in self.statuses.items()
            if status not in REFUSED and not status.startswith("2")
        }

    def latency_s(self, share: float) -> float:
        """The latency that this share of the accepted did not exceed."""
        return percentile(self.latencies_s, share)


def at_capacity(urls: Sequence[str], headers: Sequence[str], seconds: int) -> Flood:
    """As much as 32 callers get who wait for each answer. Raises OpsError."""
    return _h2load(urls, headers, seconds, AT_CAPACITY)


def at_rate(urls: Sequence[str], headers: Sequence[str], per_s: float, seconds: int) -> Flood:
    """So many requests a second, whether or not those before were answered. Raises OpsError."""
    rate = math.ceil(per_s / CLIENTS)
    return _h2load(urls, headers, seconds, (f"-c{CLIENTS}", f"-m{STREAMS_EACH}", f"--rps={rate}"))


def _h2load(urls: Sequence[str], headers: Sequence[str], seconds: int, load: Iterable[str]) -> Flood:
    with tempfile.TemporaryDirectory() as name:
        calls, listed = Path(name) / "calls.tsv", Path(name) / "urls.txt"
        listed.write_text("\n".join(urls) + "\n")
        sent = [part for header in headers for part in ("-H", header)]
        options = (f"-D{seconds}", f"--log-file={calls}", f"--input-file={listed}", *load)
        command = [str(binaries.h2load()), *options, *sent]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=seconds + ENDS_WITHIN_S)
        except (subprocess.SubprocessError, OSError) as error:
            raise OpsError(f"h2load fails: {error}") from error
        return flood_of(calls.read_text().splitlines(), seconds)


def flood_of(lines: Iterable[str], seconds: float) -> Flood:
    """What h2load's log says: begin, HTTP status and duration of each call, in microseconds."""
    latencies_s: list[float] = []
    statuses: Counter[str] = Counter()
    for line in lines:
        _, status, took_us = line.split("\t")
        statuses[status] += 1
        if status.startswith("2"):
            latencies_s.append(int(took_us) / 1e6)
    return Flood(seconds, latencies_s, statuses)
