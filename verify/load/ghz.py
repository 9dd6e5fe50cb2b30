"""ghz, where it is on the PATH: runs its configurations one after the other, and reads their JSON."""

import json
import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from devstack.paths import DESCRIPTORS
from ops.errors import OpsError
from verify.load.ghz_config import TOKEN, PlaceholderValues, expand_calls
from verify.load.grpc_calls import GrpcClassPlan
from verify.load.load_result import CallFigures, LoadResult
from verify.load.load_target import LoadTarget

GHZ: Final = "ghz"
EXIT_TIMEOUT_S: Final = 60.0
OK: Final = "OK"


def require_ghz() -> None:
    """Raise OpsError when ghz is not on the PATH."""
    if shutil.which(GHZ) is None:
        raise OpsError("ghz is not on the PATH; `--tool grpc` makes the same calls without it")


def run_ghz(
    plans: Sequence[GrpcClassPlan], target: LoadTarget, values: PlaceholderValues, folder: Path
) -> LoadResult:
    """Run all classes at the same time. Raises OpsError when ghz fails."""
    files = [_write_config(plan, target, _for_one_caller(values, i), folder) for i, plan in enumerate(plans)]
    started = [
        subprocess.Popen(
            [GHZ, "--config", str(file), "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for file in files
    ]
    reports = []
    try:
        for plan, process in zip(plans, started, strict=True):
            output, errors = process.communicate(timeout=plan.seconds + EXIT_TIMEOUT_S)
            if process.returncode != 0:
                raise OpsError(f"ghz failed with {plan.config.name}: {errors.decode().strip()}")
            reports.append(json.loads(output))
    except subprocess.TimeoutExpired as error:
        raise OpsError(f"ghz did not end: {error}") from error
    finally:
        for process in started:
            process.kill()
            process.wait()
    return combine_ghz_reports(reports)


def _for_one_caller(values: PlaceholderValues, number: int) -> PlaceholderValues:
    """Return the values with one token: ghz sends the same metadata with each call of a run."""
    tokens = values[TOKEN]
    return {**values, TOKEN: [tokens[number % len(tokens)]]}


def _write_config(plan: GrpcClassPlan, target: LoadTarget, values: PlaceholderValues, folder: Path) -> Path:
    path = folder / f"ghz-{plan.config.name}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(render_ghz_config(plan, target, values), indent=2))
    return path


def render_ghz_config(plan: GrpcClassPlan, target: LoadTarget, values: PlaceholderValues) -> dict[str, Any]:
    """Return a configuration with everything filled in that ghz does not know of."""
    calls = list(expand_calls(plan.config, values))
    fields = plan.config.model_dump() | {
        "protoset": str(DESCRIPTORS),
        "host": target.address,
        "rps": max(1, round(plan.calls_per_s)),
        "metadata": calls[0].metadata,
        "data": [call.data for call in calls] if len(calls) > 1 else calls[0].data,
    }
    if plan.config.is_once:
        del fields["duration"]
        return fields | {"total": min(len(calls), max(1, plan.call_count))}
    return fields | {"duration": f"{plan.seconds:g}s"}


def combine_ghz_reports(reports: Sequence[Mapping[str, Any]]) -> LoadResult:
    """Return the figures of some reports of ghz; times in them are nanoseconds."""
    calls = [_figures_of_report(report) for report in reports]
    failures: dict[str, int] = {}
    for call in calls:
        for reason, count in call.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    return LoadResult(
        tool=GHZ,
        counted="calls",
        attempted=sum(call.count for call in calls),
        failed=sum(failures.values()),
        duration_s=max((report["total"] / 1e9 for report in reports), default=0.0),
        # Of all calls together it is not known: that of the slowest class is no less.
        p99_ms=max((call.p99_ms for call in calls if not math.isnan(call.p99_ms)), default=math.nan),
        calls=calls,
        failures=failures,
    )


def _figures_of_report(report: Mapping[str, Any]) -> CallFigures:
    times_ms = {each["percentage"]: each["latency"] / 1e6 for each in report.get("latencyDistribution") or ()}
    statuses = report.get("statusCodeDistribution") or {}
    return CallFigures(
        report.get("name", ""),
        report["count"],
        p50_ms=times_ms.get(50, math.nan),
        p95_ms=times_ms.get(95, math.nan),
        p99_ms=times_ms.get(99, math.nan),
        max_ms=report.get("slowest", math.nan) / 1e6,
        failures={status: count for status, count in statuses.items() if status != OK},
    )
