"""A run of some tools, one after the other, on a stack of this machine."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import httpx

from devstack import binaries
from devstack.toolbox import tools
from devstack.topology import Topology
from ops.errors import OpsError
from ops.progress import StepProgress
from verify.bench.target import require_seeded_stack
from verify.load.artillery import run_artillery
from verify.load.ghz import require_ghz, run_ghz
from verify.load.ghz_config import (
    NEW_LISTING,
    OPEN_LISTING,
    TITLE,
    TOKEN,
    PlaceholderValues,
    read_ghz_configs,
)
from verify.load.grpc_calls import GrpcClassPlan, run_grpc_classes
from verify.load.jmeter import run_jmeter
from verify.load.load_data import LoadData, listings_for_run, sign_in_students
from verify.load.load_result import LoadResult, find_breaches
from verify.load.load_target import LoadTarget, parse_local_target
from verify.load.profiles import LoadProfile, read_profile

WORK_FOLDER: Final = "load"
BASE_PROFILE: Final = "smoke"
"""The profile whose rates are in the configurations of ghz."""
LISTINGS_PER_RUN: Final = 4
"""Each student has applied to all of them when the pairs begin again: long after they were withdrawn."""
LISTINGS_PATH: Final = "/api/v1/internships?sort=INTERNSHIP_SORT_NEWEST&pageSize=50"
CALL_TIMEOUT_S: Final = 10.0


class LoadTool(StrEnum):
    """A load generator."""

    ARTILLERY = "artillery"
    JMETER = "jmeter"
    GRPC = "grpc"
    GHZ = "ghz"


DEFAULT_TOOLS: Final = (LoadTool.ARTILLERY, LoadTool.JMETER, LoadTool.GRPC)


def require_local_profile(profile: LoadProfile) -> None:
    """Raise OpsError for a profile that one machine cannot carry out."""
    if profile.is_distributed:
        raise OpsError(f"--profile {profile.name} is for many pods: add --render, and apply what it prints")


@dataclass(frozen=True)
class LoadRunner:
    """One stack, the gateway that the load goes to, and the tokens of its seeded students."""

    topology: Topology
    profile: LoadProfile
    target: LoadTarget
    tokens: Sequence[str] = field(repr=False)

    @classmethod
    def prepare(cls, topology: Topology, profile: LoadProfile, target: LoadTarget | None = None) -> Self:
        """Return the runner of a running, seeded stack; without a target, the load goes to its gateway.

        Raises OpsError when something is lacking.
        """
        require_seeded_stack(topology)
        gateway = target or parse_local_target(topology.public_url)
        return cls(topology, profile, gateway, sign_in_students(topology))

    @property
    def folder(self) -> Path:
        """The folder for what the tools write; it goes with the stack."""
        found = self.topology.root / WORK_FOLDER
        found.mkdir(parents=True, exist_ok=True)
        return found

    def install_tools(self, wanted: Sequence[LoadTool], steps: StepProgress) -> None:
        """Install missing tools. Raises OpsError when it cannot be."""
        if LoadTool.ARTILLERY in wanted:
            with steps.step("artillery"):
                tools.artillery()
        if LoadTool.JMETER in wanted:
            binaries.install_jmeter(steps.note)
        if LoadTool.GHZ in wanted:
            require_ghz()

    def run_tool(self, tool: LoadTool) -> LoadResult:
        """Run one tool with the profile, with listings that are published for it. Raises OpsError."""
        with self._listings_of(tool) as data:
            if tool is LoadTool.ARTILLERY:
                return run_artillery(self.profile, self.target, data, self.folder)
            if tool is LoadTool.JMETER:
                return run_jmeter(self.profile, self.target, data, self.folder)
            return self._run_grpc(tool, data)

    @contextmanager
    def _listings_of(self, tool: LoadTool) -> Iterator[LoadData]:
        count = LISTINGS_PER_RUN
        if tool in (LoadTool.GRPC, LoadTool.GHZ):
            # Over gRPC nothing is withdrawn: each pair serves once. ghz has one student only.
            writes = max((plan.call_count for plan in self.grpc_plans() if plan.config.is_once), default=1)
            students = 1 if tool is LoadTool.GHZ else len(self.tokens)
            count = math.ceil(writes / students) + 1
        with listings_for_run(self.topology, self.tokens, count) as data:
            yield data

    def grpc_plans(self) -> list[GrpcClassPlan]:
        """Return the classes of calls, at rates that are to those of `smoke` as the sessions are."""
        factor = self.profile.sustained_per_s / read_profile(BASE_PROFILE).sustained_per_s
        return [
            GrpcClassPlan(config, config.rps * factor, self.profile.duration_s)
            for config in read_ghz_configs()
        ]

    def _run_grpc(self, tool: LoadTool, data: LoadData) -> LoadResult:
        values = self._placeholder_values(data)
        if tool is LoadTool.GHZ:
            return run_ghz(self.grpc_plans(), self.target, values, self.folder)
        return run_grpc_classes(self.grpc_plans(), self.target, values)

    def _placeholder_values(self, data: LoadData) -> PlaceholderValues:
        listings = read_open_listings(self.target)
        return {
            OPEN_LISTING: [each["id"] for each in listings],
            TITLE: [each["title"] for each in listings],
            NEW_LISTING: data.listing_ids,
            TOKEN: data.tokens,
        }

    def find_breaches(self, results: Sequence[LoadResult]) -> list[str]:
        """Return a sentence for each threshold of the profile that is broken."""
        return [each for result in results for each in find_breaches(result, self.profile.thresholds)]


def read_open_listings(target: LoadTarget) -> list[dict[str, str]]:
    """Return the newest open listings. Raises OpsError when there are none or the gateway does not answer."""
    try:
        answer = httpx.get(f"{target.url}{LISTINGS_PATH}", timeout=CALL_TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise OpsError(f"{target.url} does not show its listings: {error}") from error
    found: list[dict[str, str]] = answer.json()["data"]
    if not found:
        raise OpsError(f"{target.url} has no open listings; seed the stack: ic seed")
    return found
