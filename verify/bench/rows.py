"""The rows of the table: the measured call, its baseline, and the processes whose CPU counts."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ops.errors import OpsError
from verify.bench import edge_measures as edge
from verify.bench import read_measures as reads
from verify.bench import write_measures as writes
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.filter_measures import measure_filters
from verify.bench.filter_variants import VARIANTS
from verify.bench.mix_measure import measure_mix
from verify.bench.samples import BenchmarkResult, LoadSample
from verify.bench.seed_measure import measure_seeding
from verify.bench.target import BenchmarkTarget

READS_AND_VIEWS: Final = "envoy, internship, limiter; for views: workers, broker"


@dataclass(frozen=True)
class BenchmarkRow:
    """One row: its measurement, and the name of the row that it is compared to.

    A row that takes long is measured only by its name.
    """

    name: str
    title: str
    cpu_of: str
    measure: Callable[[BenchmarkTarget, MeasurementTimes], LoadSample]
    baseline: str | None = None
    uses_h2load: bool = False
    only_by_name: bool = False

    def results(self, field: BenchmarkTarget, pace: MeasurementTimes) -> list[BenchmarkResult]:
        """Measure the row and return its result."""
        load = os.getloadavg()[0]
        sample = self.measure(field, pace)
        return [BenchmarkResult(self.name, self.title, self.cpu_of, sample, self.baseline, load)]


@dataclass(frozen=True)
class VariantRows:
    """Rows that are measured in turn: variants of one subject by name, compared to the first of them."""

    name: str
    titles: Mapping[str, str]
    cpu_of: str
    measure: Callable[[BenchmarkTarget, MeasurementTimes], Mapping[str, LoadSample]]
    baseline: str | None = None
    uses_h2load: bool = False
    only_by_name: bool = False

    @property
    def title(self) -> str:
        """The title of all of them."""
        return self.name

    def results(self, field: BenchmarkTarget, pace: MeasurementTimes) -> list[BenchmarkResult]:
        """Measure the variants and return their results, named `name:variant`."""
        load = os.getloadavg()[0]
        samples = self.measure(field, pace)
        first = next(iter(self.titles))
        return [
            BenchmarkResult(
                f"{self.name}:{variant}",
                title,
                self.cpu_of,
                samples[variant],
                None if variant == first else f"{self.name}:{first}",
                load,
            )
            for variant, title in self.titles.items()
        ]


AnyRow = BenchmarkRow | VariantRows


def select_rows(only: Sequence[str]) -> list[AnyRow]:
    """Return these rows with their baselines, in the table's order; when none is named, all short ones.

    Raises:
        OpsError: there is no row of that name.
    """
    by_name = {row.name: row for row in BENCHMARK_ROWS}
    unknown = [name for name in only if name not in by_name]
    if unknown:
        raise OpsError(f"there is no row '{unknown[0]}'; there are: {', '.join(by_name)}")
    wanted = set(only) | {by_name[name].baseline for name in only}
    return [row for row in BENCHMARK_ROWS if (row.name in wanted if only else not row.only_by_name)]


BENCHMARK_ROWS: Final[tuple[AnyRow, ...]] = (
    BenchmarkRow("echo", "bare grpcio echo, 500 bytes", "echo", reads.measure_echo),
    BenchmarkRow("get", "GetInternship over gRPC, warm", "internship", reads.measure_get, "echo"),
    BenchmarkRow("echo-native", "bare native echo, 500 bytes", "echo", reads.measure_native_echo),
    BenchmarkRow("chain", "the chain around a constant answer", "chain", reads.measure_chain, "echo-native"),
    BenchmarkRow(
        "get-native", "GetInternship over gRPC again", "internship", reads.measure_get, "echo-native"
    ),
    BenchmarkRow(
        "signed-in",
        "GetMe over gRPC with a token",
        "user, mongod",
        reads.measure_signed_in,
        "echo-native",
    ),
    BenchmarkRow(
        "two-processes",
        "GetInternship over gRPC, two processes",
        "two internship",
        reads.measure_two_processes,
        "get",
    ),
    BenchmarkRow(
        "echo-h2load", "the same echo, by h2load", "echo", edge.measure_echo_by_h2load, uses_h2load=True
    ),
    BenchmarkRow(
        "gateway",
        "GetInternship over HTTP/JSON, uncached, by h2load",
        READS_AND_VIEWS,
        edge.measure_gateway,
        "echo-h2load",
        uses_h2load=True,
    ),
    BenchmarkRow(
        "direct", "Envoy answering by itself, by h2load", "envoy", edge.measure_direct_envoy, uses_h2load=True
    ),
    BenchmarkRow(
        "cached",
        "public GetInternship from the edge's cache, by h2load",
        READS_AND_VIEWS,
        edge.measure_cached,
        "direct",
        uses_h2load=True,
    ),
    BenchmarkRow("search", "search, 4 kinds of query, no cache", "internship, mongod", reads.measure_search),
    BenchmarkRow("argon2", "bare Argon2id verify, all cores", "hashing", writes.measure_hashes),
    BenchmarkRow("login", "Login over gRPC", "auth", writes.measure_login, "argon2"),
    BenchmarkRow(
        "transaction", "bare transaction of two inserts", "driver, mongod", writes.measure_transactions
    ),
    BenchmarkRow(
        "submit-alone",
        "SubmitApplication, no workers",
        "application, mongod",
        writes.measure_submit_alone,
        "transaction",
    ),
    # Last, because its events keep the workers busy for a while.
    BenchmarkRow(
        "submit",
        "SubmitApplication over gRPC, workers at it",
        "application, mongod",
        writes.measure_submit,
        "transaction",
    ),
    BenchmarkRow(
        "submit-handled",
        "SubmitApplication until all is handled, 16 at once",
        "all services, mongod, broker, mailbox",
        partial(writes.measure_submit_until_handled, at_once=writes.CONCURRENT_WRITERS),
        "transaction",
    ),
    BenchmarkRow(
        "submit-handled-64",
        "the same, 64 at once",
        "all services, mongod, broker, mailbox",
        partial(writes.measure_submit_until_handled, at_once=4 * writes.CONCURRENT_WRITERS),
        "transaction",
    ),
    BenchmarkRow(
        "mix",
        "40 % browse, 30 % apply, 30 % search",
        "the whole stack",
        measure_mix,
        only_by_name=True,
    ),
    BenchmarkRow(
        "seed", "documents of the bulk seeding", "seeding, mongod", measure_seeding, only_by_name=True
    ),
    VariantRows(
        "filters",
        {variant: f"the gateway before an echo: {variant}" for variant in VARIANTS},
        "envoy",
        measure_filters,
        uses_h2load=True,
        only_by_name=True,
    ),
)
