"""Artillery: runs the configuration with a profile, and reads its JSON."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from devstack.toolbox import tools
from verify.load.load_data import LoadData
from verify.load.load_result import CallFigures, LoadInterval, LoadResult
from verify.load.load_target import LoadTarget
from verify.load.profiles import CONFIG_FILE, LoadProfile
from verify.load.tool_run import run_tool

ARTILLERY: Final = "artillery"
REPORT_FILE: Final = "artillery.json"
LOG_FILE: Final = "artillery.log"
RESPONSE_TIMES: Final = "http.response_time"
BY_ENDPOINT: Final = "plugins.metrics-by-endpoint."
TIMES_BY_ENDPOINT: Final = f"{BY_ENDPOINT}response_time."
STATUS_PREFIX: Final = "http.codes."
ERROR_PREFIX: Final = "errors."
FIRST_ERROR_STATUS: Final = 400


def run_artillery(profile: LoadProfile, target: LoadTarget, data: LoadData, folder: Path) -> LoadResult:
    """Run all scenarios with a profile; `artillery.json` and `artillery.log` are in the folder afterwards.

    Raises OpsError when Artillery cannot be installed, or ends without a report.
    """
    report, log = folder / REPORT_FILE, folder / LOG_FILE
    overrides = json.dumps(profile.artillery_overrides())
    command = [str(tools.artillery()), "run", "--environment", profile.name, "--target", target.url]
    command += ["--overrides", overrides, "--output", str(report), str(CONFIG_FILE)]
    run_tool(
        ARTILLERY,
        command,
        log=log,
        results=report,
        load_s=profile.duration_s,
        environment=artillery_environment(data),
    )
    return parse_artillery_report(json.loads(report.read_text()))


def artillery_environment(data: LoadData) -> dict[str, str]:
    """Return the variables of Artillery's process, which `load-test-functions.js` reads."""
    return {
        **os.environ,
        "ARTILLERY_DISABLE_TELEMETRY": "true",
        "NODE_NO_WARNINGS": "1",
        "WORKERS": "1",
        "LOAD_PASSWORD": data.password,
        "LOAD_STUDENTS": str(data.students),
        "LOAD_FIRST_STUDENT": "1",
        "LOAD_LISTINGS": ",".join(data.listing_ids),
        "LOAD_ADDRESSES": "made-up",
    }


def parse_artillery_report(report: Mapping[str, Any]) -> LoadResult:
    """Return the figures of the JSON that `artillery run --output` writes."""
    whole = report["aggregate"]
    counters, summaries = whole["counters"], whole["summaries"]
    first_ms, last_ms = whole.get("firstMetricAt", 0), whole.get("lastMetricAt", 0)
    return LoadResult(
        tool=ARTILLERY,
        counted="sessions",
        attempted=counters.get("vusers.created", 0),
        failed=counters.get("vusers.created", 0) - counters.get("vusers.completed", 0),
        duration_s=(last_ms - first_ms) / 1000,
        p99_ms=summaries.get(RESPONSE_TIMES, {}).get("p99", math.nan),
        calls=[
            _figures_of_endpoint(name.removeprefix(TIMES_BY_ENDPOINT), times, counters)
            for name, times in sorted(summaries.items())
            if name.startswith(TIMES_BY_ENDPOINT)
        ],
        failures=_list_failures(counters),
        intervals=[_read_interval(each, first_ms) for each in report.get("intermediate", ())],
    )


def _figures_of_endpoint(name: str, times: Mapping[str, float], counters: Mapping[str, int]) -> CallFigures:
    codes, errors = f"{BY_ENDPOINT}{name}.codes.", f"{BY_ENDPOINT}{name}.errors."
    failures = {
        f"HTTP {counter.removeprefix(codes)}": count
        for counter, count in counters.items()
        if counter.startswith(codes) and int(counter.removeprefix(codes)) >= FIRST_ERROR_STATUS
    }
    failures |= {
        counter.removeprefix(errors): count
        for counter, count in counters.items()
        if counter.startswith(errors)
    }
    return CallFigures(
        name,
        int(times["count"]),
        p50_ms=times["p50"],
        p95_ms=times["p95"],
        p99_ms=times["p99"],
        max_ms=times["max"],
        failures=failures,
    )


def _list_failures(counters: Mapping[str, int]) -> dict[str, int]:
    statuses = {
        f"HTTP {name.removeprefix(STATUS_PREFIX)}": count
        for name, count in counters.items()
        if name.startswith(STATUS_PREFIX) and int(name.removeprefix(STATUS_PREFIX)) >= FIRST_ERROR_STATUS
    }
    errors = {
        name.removeprefix(ERROR_PREFIX): count
        for name, count in counters.items()
        if name.startswith(ERROR_PREFIX)
    }
    return statuses | errors


def _read_interval(interval: Mapping[str, Any], first_ms: float) -> LoadInterval:
    times = interval["summaries"].get(RESPONSE_TIMES, {})
    return LoadInterval(
        start_s=max(0.0, (float(interval["period"]) - first_ms) / 1000),
        requests_per_s=interval["rates"].get("http.request_rate", 0.0),
        p50_ms=times.get("p50", math.nan),
        p99_ms=times.get("p99", math.nan),
    )
