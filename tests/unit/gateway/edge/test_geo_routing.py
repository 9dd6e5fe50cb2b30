"""The load balancer before the regions says what the table says, and the regions are those of the chart."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.edge import geo_routing
from gateway.edge.cloudflare import render_terraform
from ops.paths import REPO

TABLE = geo_routing.load_routing_table()
FILE: dict[str, Any] = json.loads(geo_routing.COMMITTED_FILE.read_text())
BALANCER = FILE["resource"]["cloudflare_load_balancer"]["gateway"]
POOLS = FILE["resource"]["cloudflare_load_balancer_pool"]


def test_the_committed_file_is_made_of_the_table() -> None:
    made = render_terraform(geo_routing.build_terraform(TABLE))
    assert geo_routing.COMMITTED_FILE.read_bytes() == made, (
        "run: python -m gateway.edge.geo_routing > gateway/edge/geo_routing.tf.json"
    )


def test_the_regions_are_those_of_the_chart() -> None:
    chart = REPO / "helm" / "internshipconnect"
    values = (yaml.safe_load(path.read_text()) for path in chart.glob("values-*-*.yaml"))
    assert {each["region"] for each in values} == set(TABLE.regions)


def test_people_of_every_region_of_the_world_are_answered_by_each_of_ours_in_turn() -> None:
    assert set(BALANCER["region_pools"]) == geo_routing.WORLD_REGIONS
    for pools in (*BALANCER["region_pools"].values(), BALANCER["default_pools"]):
        assert len(pools) == len(set(pools)) == len(TABLE.regions)


def test_every_reference_is_to_a_resource_or_a_variable_that_there_is() -> None:
    text = json.dumps(FILE)
    resources = {f"{kind}.{name}" for kind, named in FILE["resource"].items() for name in named}
    for reference in re.findall(r"\$\{(cloudflare_\w+\.\w+)\.id\}", text):
        assert reference in resources
    assert set(re.findall(r"\bvar\.(\w+)", text)) == set(FILE["variable"])


def test_a_region_can_be_taken_out_by_a_variable() -> None:
    for name in TABLE.regions:
        pool = POOLS[name.replace("-", "_")]
        assert pool["enabled"] == f'${{!contains(var.disabled_regions, "{name}")}}'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  OC: [ap-southeast, us-east, eu-central]\n", "", "preferences lack OC"),
        ("ME: [eu-central,", "ME: [eu-north,", "ME names eu-north, which is none of the regions"),
        ("ME: [eu-central, ap-southeast, us-east]", "ME: [eu-central]", "ME has to name each region once"),
        ("fallback: eu-central", "fallback: eu-north", "fallback names eu-north"),
        ("check_from: [WEU, EEU]", "check_from: [EU]", "EU: no region of the world"),
        ("check_from: [WEU, EEU]", "check_from: []", "regions.eu-central.check_from"),
        ("fallback:", "fall_back:", "Field required"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "regions.yaml"
    text = geo_routing.REGIONS_FILE.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=re.escape(says)):
        geo_routing.load_routing_table(path)
