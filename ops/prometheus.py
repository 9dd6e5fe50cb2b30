"""Instant queries to a Prometheus."""

import http.client
import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops.errors import OpsError
from ops.options import open_chosen_cluster

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """The present value of one series; never NaN or infinite."""

    labels: Mapping[str, str]
    value: float


def choose_prometheus(url: str, stack: str) -> str:
    """Return the URL that `--prometheus` names; without one that of the chosen cluster. Raises OpsError."""
    if not url:
        return open_chosen_cluster(stack).prometheus_url
    if not re.fullmatch(r"https?://[^\s/]+\S*", url):
        raise OpsError(f"--prometheus takes a URL such as http://localhost:9090, not '{url}'")
    return url


def query_samples(prometheus_url: str, expression: str) -> list[Sample]:
    """Return the samples of an expression now; series without a value are left out.

    Raises:
        OpsError: Prometheus does not answer, or refuses.
    """
    words = urllib.parse.urlencode({"query": expression})
    url = f"{prometheus_url.rstrip('/')}/api/v1/query?{words}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked by the caller
            body = json.loads(answer.read(MAX_ANSWER_BYTES))
        return list(_samples(body["data"]["result"]))
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


def _samples(result: Iterable[dict[str, Any]]) -> Iterable[Sample]:
    for series in result:
        value = float(series["value"][1])
        # Without events there is no ratio: NaN.
        if math.isfinite(value):
            yield Sample(series["metric"], value)
