"""The record of a supervised process of a stack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class StartStage(Enum):
    """Processes of one stage start together; stages start in this order and stop in the opposite one.

    The first stage is the processes through which the stores are reached, and reach each other.
    """

    MAPPER = "mapper"
    STORES = "stores"
    CONTROL = "control"
    SERVICES = "services"
    EDGE = "edge"
    OBSERVERS = "observers"


@dataclass(frozen=True)
class ProbeResult:
    """Whether a process can do its work, and a short reason why not."""

    ready: bool
    detail: str = ""


@dataclass(frozen=True)
class StackProcess:
    """One supervised process.

    `ports` have labels for people; `probe` asks the process itself and answers within two seconds;
    `stop_wait_s` is the grace period before it is killed; `region` is that of a service or a gateway.
    `group`, by default the stage, is the unit that the supervisor reloads: processes added to a running stack
    have a group of their own.
    """

    name: str
    stage: StartStage
    command: tuple[str, ...]
    ports: Mapping[str, int]
    probe: Callable[[], ProbeResult]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stop_wait_s: int = 20
    region: str = ""
    group: str = ""

    @property
    def supervised_group(self) -> str:
        """The supervisor's name of its group."""
        return self.group or self.stage.value

    @property
    def supervised_name(self) -> str:
        """The supervisor's name of the process."""
        return f"{self.supervised_group}:{self.name}"
