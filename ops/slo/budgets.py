"""The error budgets as a Prometheus with the recording rules knows them."""

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ops.errors import OpsError

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
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
            left=_left(_finite(burnt.get(key))),
            burn_1h=_finite(burn_1h.get(key)),
            burn_5m=_finite(burn_5m.get(key)),
            events_1h=_finite(events.get(key)),
        )
        for key in sorted(budgets)
    ]


def _left(burnt: float | None) -> float | None:
    return None if burnt is None else 1 - burnt


def _query(prometheus_url: str, expression: str) -> dict[_Key, float]:
    words = urllib.parse.urlencode({"query": expression})
    url = f"{prometheus_url.rstrip('/')}/api/v1/query?{words}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked by the caller
            body = json.loads(answer.read(MAX_ANSWER_BYTES))
        return dict(_samples(body["data"]["result"]))
    except urllib.error.HTTPError as error:
        raise OpsError(
            f"the Prometheus at {prometheus_url} refuses: HTTP {error.code} {error.reason}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise OpsError(
            f"no Prometheus answers at {prometheus_url}: {reason}. Is the address right, and does it run? "
            "A local stack has one after `ic up --observe`"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise OpsError(f"what answers at {prometheus_url} is no Prometheus") from None


def _samples(result: Iterable[dict[str, Any]]) -> Iterable[tuple[_Key, float]]:
    for series in result:
        objective, service, class_ = (series["metric"].get(label, "") for label in _LABELS)
        yield (objective, service, class_), float(series["value"][1])


def _finite(value: float | None) -> float | None:
    """Return None instead of NaN: without events there is no ratio."""
    return value if value is not None and math.isfinite(value) else None
