"""The error budgets as a Prometheus with the recording rules knows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ops.errors import OpsError
from ops.prometheus import query_samples

_LABELS: Final = ("objective", "service", "class")

_Key = tuple[str, str, str]


@dataclass(frozen=True)
class BudgetStatus:
    """The budget of one objective: the share of events that may be bad, and how it is used.

    `left` is the share of the budget that is left over the whole window, below 0 when it is overdrawn;
    `burn_1h` and `burn_5m` say how many times as fast as it may it burns. None: there was no event.
    """

    objective: str
    service: str
    call_class: str
    target: float
    left: float | None
    burn_1h: float | None
    burn_5m: float | None
    events_1h: float | None

    @property
    def is_known(self) -> bool:
        """Whether anything is counted for it."""
        return self.events_1h is not None


def read_budgets(prometheus_url: str, window: str) -> list[BudgetStatus]:
    """Return every budget over the window, by objective and service.

    Raises:
        OpsError: Prometheus does not answer, or does not have the recording rules.
    """
    budgets = _query(prometheus_url, "slo:budget:ratio")
    if not budgets:
        raise OpsError(
            f"the Prometheus at {prometheus_url} answers, but knows no objectives: "
            "it has to load ops/slo/rules.yaml, and needs half a minute after its start"
        )
    burnt = _query(prometheus_url, f"slo:burn_rate:{window}")
    burn_1h = _query(prometheus_url, "slo:burn_rate:1h")
    burn_5m = _query(prometheus_url, "slo:burn_rate:5m")
    events = _query(prometheus_url, "slo:total:rate1h * 3600")
    return [
        BudgetStatus(
            *key,
            target=round(1 - budgets[key], 9),
            left=_left(burnt.get(key)),
            burn_1h=burn_1h.get(key),
            burn_5m=burn_5m.get(key),
            events_1h=events.get(key),
        )
        for key in sorted(budgets)
    ]


def _left(burnt: float | None) -> float | None:
    return None if burnt is None else 1 - burnt


def _query(prometheus_url: str, expression: str) -> dict[_Key, float]:
    samples = query_samples(prometheus_url, expression)
    return {_key(sample.labels): sample.value for sample in samples}


def _key(labels: Mapping[str, str]) -> _Key:
    objective, service, class_ = (labels.get(label, "") for label in _LABELS)
    return objective, service, class_
