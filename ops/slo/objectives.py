"""The table of objectives, checked, and the indicators that it asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chassis.contracts import RpcSpec
from ops.errors import OpsError
from ops.service_names import SERVICES
from ops.slo.call_classes import SIGN_IN, calls_by_class
from ops.slo.files import OBJECTIVES_FILE

WINDOWS_S: Final = {
    "5m": 300,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "6h": 21_600,
    "1d": 86_400,
    "3d": 259_200,
}
"""The windows that burn rates are recorded for, with their seconds; beside them that of the budget."""

FAULT_CODES: Final = ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN", "DATA_LOSS")
"""Answers that are a service's own fault, whatever it was asked."""
_OVERLOAD: Final = "RESOURCE_EXHAUSTED"
"""A fault everywhere but at sign-ins, where it answers one who has failed too often."""

_Window = Literal["5m", "30m", "1h", "2h", "6h", "1d", "3d"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Objective(_Row):
    """One promise: at most `1 - target` of the events are bad."""

    name: Annotated[str, Field(pattern=r"^[a-z]+$")]
    promise: str
    target: Annotated[float, Field(gt=0, lt=1)]
    each: Literal["calls", "service", "all"]
    services: tuple[str, ...] = SERVICES
    total: str
    bad: str
    min_events: Annotated[int, Field(ge=1)]
    min_bad: Annotated[int, Field(ge=1)]

    @field_validator("services")
    @classmethod
    def _require_known(cls, services: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in services if name not in SERVICES]:
            raise ValueError(f"there is no service {', '.join(unknown)}; there are: {', '.join(SERVICES)}")
        return services

    @property
    def budget(self) -> float:
        """The share of events that may be bad."""
        return round(1 - self.target, 9)


class BurnAlert(_Row):
    """An alert for a budget that burns `times` as fast as it may, in both windows."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]
    severity: Literal["page", "ticket"]
    times: Annotated[float, Field(gt=0)]
    long: _Window
    short: _Window

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        if WINDOWS_S[self.short] >= WINDOWS_S[self.long]:
            raise ValueError(f"short ({self.short}) has to be shorter than long ({self.long})")
        return self


class LowTraffic(_Row):
    """When the few events below the floor are worth a look."""

    share: Annotated[float, Field(gt=0, le=1)]
    min_bad: Annotated[int, Field(ge=1)]


class ObjectiveTable(_Row):
    """The whole table."""

    window_days: Annotated[int, Field(ge=1, le=90)]
    objectives: tuple[Objective, ...] = Field(min_length=1)
    burn_alerts: tuple[BurnAlert, ...] = Field(min_length=1)
    low_traffic: LowTraffic

    @model_validator(mode="after")
    def _require_distinct_names(self) -> Self:
        for what in (self.objectives, self.burn_alerts):
            names = [row.name for row in what]
            if len(set(names)) < len(names):
                raise ValueError(f"a name stands twice among {', '.join(names)}")
        return self

    @property
    def window(self) -> str:
        """The window of the budget, as Prometheus writes it."""
        return f"{self.window_days}d"


@dataclass(frozen=True)
class Indicator:
    """The counts of one objective: its labels, and the expressions of all and of bad events."""

    objective: Objective
    labels: dict[str, str]
    total: str
    bad: str


@cache
def load_objectives(path: Path = OBJECTIVES_FILE) -> ObjectiveTable:
    """Return the table. Raises OpsError, which names each wrong place."""
    try:
        return ObjectiveTable.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise OpsError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        problems = (f"  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise OpsError("\n".join((f"{path} is wrong:", *problems))) from None


def list_indicators(table: ObjectiveTable) -> list[Indicator]:
    """Return every pair of expressions that the table asks for."""
    return [indicator for objective in table.objectives for indicator in _indicators_of(objective)]


def _indicators_of(objective: Objective) -> Iterator[Indicator]:
    name = {"objective": objective.name}
    if objective.each == "all":
        yield _fill(objective, name | {"service": "gateway"}, {})
    elif objective.each == "service":
        for service in objective.services:
            yield _fill(objective, name | {"service": service}, {"job": f"{service}-work"})
    else:
        for (service, class_), rpcs in calls_by_class().items():
            if service in objective.services:
                calls = _call_selector(rpcs)
                faults = "|".join(FAULT_CODES if class_ == SIGN_IN else (*FAULT_CODES, _OVERLOAD))
                labels = name | {"service": service, "class": class_}
                yield _fill(objective, labels, {"calls": calls, "faults": faults})


def _call_selector(rpcs: Sequence[RpcSpec]) -> str:
    """Return the labels of calls; no two gRPC services of one process have calls of one name."""
    services = sorted({rpc.service for rpc in rpcs})
    service = f'="{services[0]}"' if len(services) == 1 else f'=~"{"|".join(services)}"'
    return f'grpc_service{service}, grpc_method=~"{"|".join(rpc.name for rpc in rpcs)}"'


def _fill(objective: Objective, labels: dict[str, str], values: dict[str, str]) -> Indicator:
    try:
        total, bad = (Template(text).substitute(values) for text in (objective.total, objective.bad))
    except (KeyError, ValueError) as error:
        raise OpsError(
            f"objective '{objective.name}': with `each: {objective.each}` there is no {error}; there are: "
            f"{', '.join(f'${value}' for value in values) or 'none'}"
        ) from None
    return Indicator(objective, labels, total, bad)
