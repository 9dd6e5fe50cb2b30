"""Every expression of the dashboards gives series on a live stack, unless its panel says why not."""

import pytest

from tests.observed.prometheus_client import PrometheusClient
from tests.waiting import wait_until_blocking
from verify.dashboards.panels import list_dashboards

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(1000)]

QUERIES = [
    pytest.param(query.expression, panel.empty_because, id=f"{dashboard.uid}: {panel.title} {number}")
    for dashboard in list_dashboards()
    for row in dashboard.rows.values()
    for panel in row
    for number, query in enumerate(panel.queries)
]


@pytest.mark.parametrize(("expression", "empty_because"), QUERIES)
def test_a_panel_shows_something(prometheus: PrometheusClient, expression: str, empty_because: str) -> None:
    asked = expression.replace("$__rate_interval", "5m")
    if empty_because:
        prometheus.query(asked)  # it is understood
    else:
        wait_until_blocking(
            lambda: prometheus.query(asked), f"series of {asked}", within_s=900.0, every_s=1.0
        )
