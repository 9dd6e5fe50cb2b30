"""The profiles of the load tests, read from Artillery's configuration, which all tools share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from ops.errors import OpsError
from ops.paths import REPO

LOAD_TESTS: Final = REPO / "load-tests"
CONFIG_FILE: Final = LOAD_TESTS / "artillery-config.yml"
FUNCTIONS_FILE: Final = LOAD_TESTS / "load-test-functions.js"
P99_METRIC: Final = "http.response_time.p99"
REQUEST_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LoadPhase(BaseModel, frozen=True, populate_by_name=True):
    """A time in which sessions begin at a rate; a text names a variable that holds it in each process."""

    name: str
    duration_s: Annotated[int, Field(alias="duration", gt=0)]
    rate_per_s: Annotated[Rate | str, Field(alias="arrivalRate", union_mode="left_to_right")]
    ramp_to_per_s: Annotated[Rate | str | None, Field(alias="rampTo", union_mode="left_to_right")] = None

    @property
    def is_distributed(self) -> bool:
        """Whether each of many processes is given its own part of the rate."""
        return isinstance(self.rate_per_s, str) or isinstance(self.ramp_to_per_s, str)

    @property
    def sessions(self) -> float:
        """The number of sessions that begin in it, about; NaN of a distributed one."""
        if isinstance(self.rate_per_s, str) or isinstance(self.ramp_to_per_s, str):
            return math.nan
        last = self.rate_per_s if self.ramp_to_per_s is None else self.ramp_to_per_s
        return self.duration_s * (self.rate_per_s + last) / 2


class LoadThresholds(BaseModel, frozen=True, populate_by_name=True):
    """What a run may reach at most: the share of failures, and the 99th percentile of the response times."""

    max_error_percent: Annotated[float, Field(alias="maxErrorRate", ge=0, le=100)]
    max_p99_ms: Annotated[float, Field(alias="p99", gt=0)]

    @model_validator(mode="before")
    @classmethod
    def _find_p99(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        limits = {name: limit for each in given.get("thresholds") or () for name, limit in each.items()}
        return {**given, **({"p99": limits[P99_METRIC]} if P99_METRIC in limits else {})}


class _EnvironmentFields(BaseModel):
    phases: Annotated[list[LoadPhase], Field(min_length=1)]
    ensure: LoadThresholds


class _ScenarioFields(BaseModel):
    name: str
    weight: Annotated[int, Field(gt=0)]
    flow: list[dict[str, Any]]


class _ConfigFields(BaseModel):
    environments: dict[str, _EnvironmentFields]


class _FileFields(BaseModel):
    config: _ConfigFields
    scenarios: Annotated[list[_ScenarioFields], Field(min_length=1)]


@dataclass(frozen=True)
class LoadProfile:
    """How much load, for how long, and its thresholds; `shares` is the weight of each scenario."""

    name: str
    phases: Sequence[LoadPhase]
    thresholds: LoadThresholds
    shares: Mapping[str, int]
    requests_per_session: float
    """The mean of the scenarios, by their shares."""

    @property
    def is_distributed(self) -> bool:
        """Whether it is for many processes at once."""
        return any(phase.is_distributed for phase in self.phases)

    @property
    def duration_s(self) -> int:
        """All phases."""
        return sum(phase.duration_s for phase in self.phases)

    @property
    def sustained_per_s(self) -> float:
        """The sessions that begin in a second of the last phase."""
        rate = self.phases[-1].rate_per_s
        return math.nan if isinstance(rate, str) else rate

    @property
    def sessions(self) -> float:
        """The number of sessions, about."""
        return sum(phase.sessions for phase in self.phases)

    def share_of(self, scenario: str) -> float:
        """Return the part (0 to 1) of the sessions that are of this scenario."""
        return self.shares[scenario] / sum(self.shares.values())

    def changed(
        self,
        *,
        seconds: int | None = None,
        max_p99_ms: float | None = None,
        max_error_percent: float | None = None,
    ) -> Self:
        """Return it with these values in place of its own; `seconds` are divided among the phases."""
        phases = self.phases
        if seconds is not None:
            part = seconds / self.duration_s
            phases = [
                phase.model_copy(update={"duration_s": max(1, round(phase.duration_s * part))})
                for phase in phases
            ]
        limits = {"max_p99_ms": max_p99_ms, "max_error_percent": max_error_percent}
        wanted = {name: limit for name, limit in limits.items() if limit is not None}
        return replace(self, phases=phases, thresholds=self.thresholds.model_copy(update=wanted))

    def artillery_overrides(self) -> dict[str, Any]:
        """Return what Artillery is to take instead of what its file says of this profile."""
        phases = [phase.model_dump(by_alias=True, exclude_none=True) for phase in self.phases]
        ensure = {
            "maxErrorRate": self.thresholds.max_error_percent,
            "thresholds": [{P99_METRIC: self.thresholds.max_p99_ms}],
        }
        return {"config": {"phases": phases, "ensure": ensure}}


def read_profile(name: str, path: Path = CONFIG_FILE) -> LoadProfile:
    """Return a profile. Raises OpsError when there is none of this name, or when the file is wrong."""
    return select_profile(name, read_profiles(path))


def select_profile(name: str, profiles: Mapping[str, LoadProfile]) -> LoadProfile:
    """Return a profile by name. Raises OpsError when there is none."""
    if name not in profiles:
        raise OpsError(f"--profile: there is no profile '{name}'; there are: {', '.join(profiles)}")
    return profiles[name]


def read_profiles(path: Path = CONFIG_FILE) -> dict[str, LoadProfile]:
    """Return all profiles by name. Raises OpsError, which names the field, when the file is wrong."""
    try:
        fields = _FileFields.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise OpsError(f"{path.name} is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise OpsError(f"{path.name}: {place}: {first['msg']}") from None
    shares = {scenario.name: scenario.weight for scenario in fields.scenarios}
    requests = sum(scenario.weight * count_requests(scenario.flow) for scenario in fields.scenarios)
    return {
        name: LoadProfile(name, each.phases, each.ensure, shares, requests / sum(shares.values()))
        for name, each in fields.config.environments.items()
    }


def count_requests(flow: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of requests of a flow, those of its loops as often as they go round."""
    return sum(
        int(step.get("count", 1)) * count_requests(step["loop"])
        if "loop" in step
        else len(REQUEST_METHODS & step.keys())
        for step in flow
    )
