"""Grafana's dashboards as code: `python -m verify.dashboards` writes them into `ops/dashboards/`."""
