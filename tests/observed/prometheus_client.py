"""Questions to a Prometheus."""

from typing import Any

import httpx


class PrometheusClient:
    """Asks the Prometheus at this address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression: each with `metric` (labels) and `value`."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Return the value of an expression of one series; None when there is none."""
        series = self.query(expression)
        return float(series[0]["value"][1]) if series else None

    def targets(self) -> list[dict[str, Any]]:
        """Return all targets."""
        found: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20.0, trust_env=False)
        answer.raise_for_status()
        return answer.json()["data"]
