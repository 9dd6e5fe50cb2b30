"""Writes the dashboards: `python -m verify.dashboards`."""

from verify.dashboards.build import DASHBOARDS_FOLDER, render_dashboard
from verify.dashboards.panels import list_dashboards

if __name__ == "__main__":
    DASHBOARDS_FOLDER.mkdir(exist_ok=True)
    for dashboard in list_dashboards():
        (DASHBOARDS_FOLDER / f"{dashboard.uid}.json").write_text(render_dashboard(dashboard))
