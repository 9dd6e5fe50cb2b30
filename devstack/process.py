"""What the supervisor runs: one record for each process of a stack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class StartStage(Enum):
    """Processes of one stage start together; stages start in this order and stop in the opposite one.

    Those of the first are how the stores are reached, and reach each other.
    """

    MAPPER = "mapper"
    STORES = "stores"
    CONTROL = "control"
    SERVICES = "services"
    EDGE = "edge"


@dataclass(frozen=True)
class ProbeResult:
    """Whether a process can do its work, and in a few words why not."""

    ready: bool
    detail: str = ""


@dataclass(frozen=True)
class StackProcess:
    """One supervised process.

    `ports` are labelled for people; `probe` asks the process itself and answers within two seconds;
    `stop_wait_s` is how long it may take to finish before it is killed; `region` is where a service or a
    gateway is. `group`, by default the stage, is what the supervisor takes over as a whole: what comes to a
    running stack has a group of its own.
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
        """How the supervisor calls its group."""
        return self.group or self.stage.value

    @property
    def supervised_name(self) -> str:
        """How the supervisor calls it."""
        return f"{self.supervised_group}:{self.name}"
