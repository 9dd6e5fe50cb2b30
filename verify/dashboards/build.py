"""Makes Grafana's JSON of the table of panels."""

import json
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos

from ops.paths import REPO
from verify.dashboards.panels import DashboardSpec, PanelSpec

DASHBOARDS_FOLDER: Final = REPO / "ops" / "dashboards"
GRID_WIDTH: Final = 24
PANEL_HEIGHT: Final = 8
_DATA_SOURCE: Final = "${datasource}"


def render_dashboard(spec: DashboardSpec) -> str:
    """Return the JSON of a dashboard."""
    built = (
        dashboards.Dashboard(spec.title)
        .uid(spec.uid)
        .description(spec.description)
        .tags(["internshipconnect"])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .readonly()
        .with_variable(dashboards.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    top = 0
    for title, panels in spec.rows.items():
        built = built.with_row(dashboards.Row(title).grid_pos(GridPos(h=1, w=GRID_WIDTH, x=0, y=top)))
        top += 1
        left = 0
        for panel in panels:
            if left + panel.width > GRID_WIDTH:
                left, top = 0, top + PANEL_HEIGHT
            built = built.with_panel(
                _build_panel(panel, GridPos(h=PANEL_HEIGHT, w=panel.width, x=left, y=top))
            )
            left += panel.width
        top += PANEL_HEIGHT
    document: Any = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _build_panel(spec: PanelSpec, place: GridPos) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(spec.title)
        .description(spec.description)
        .unit(spec.unit)
        .datasource(_data_source())
        .grid_pos(place)
    )
    for number, query in enumerate(spec.queries):
        target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend)
        panel = panel.with_target(target.ref_id(chr(ord("A") + number)).datasource(_data_source()))
    return panel


def _data_source() -> DataSourceRef:
    return DataSourceRef(type_val="prometheus", uid=_DATA_SOURCE)
