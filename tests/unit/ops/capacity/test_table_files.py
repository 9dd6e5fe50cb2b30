"""Files that an operator gives in place of the committed tables."""

import json
from pathlib import Path

import pytest
import yaml

from ops.capacity import table_files
from ops.capacity.table_files import WORKLOAD_FILE, load_figures, load_prices, load_workload
from ops.errors import OpsError
from tests.unit.ops.capacity.plans import committed_tables


def _changed_workload(tmp_path: Path, *path: str, value: object) -> Path:
    content = yaml.safe_load(WORKLOAD_FILE.read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file = tmp_path / "workload.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("layers", "edge"), 60, "the shares of layers make no 100"),
        (("kinds", "search", "share"), 30, "layer database make 110 instead of 100"),
        (("kinds", "search", "services"), {"internship": 50}, "the kind search make no 100"),
        (("sizing", "utilisation"), 0, "sizing.utilisation"),
        (("sizing", "headroms"), 0, "sizing.headroms"),
        (("sizing", "members_elsewhere"), 3, "one member stays in the home region"),
    ],
)
def test_a_wrong_table_names_the_option_the_file_and_the_place(
    tmp_path: Path, path: tuple[str, ...], value: object, says: str
) -> None:
    file = _changed_workload(tmp_path, *path, value=value)
    with pytest.raises(OpsError) as raised:
        load_workload(file)
    assert says in str(raised.value)
    assert f"--workload: {file}" in str(raised.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(OpsError, match=r"--prices: /nowhere\.yaml cannot be read"):
        load_prices(Path("/nowhere.yaml"))


def test_figures_of_a_benchmark_replace_the_committed_ones(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps({"rows": [{"name": "get-native", "cpu_us": 80.0}]}))

    figures = load_figures(committed_tables().workload, file)

    assert figures.cpu_us("get-native") == 80
    assert figures.cpu_us("login") == committed_tables().figures.cpu_us("login")
    assert "bench.json" in figures.origin
    assert "login" in figures.origin


def test_a_file_that_is_no_report_says_how_to_make_one(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text("{")
    with pytest.raises(OpsError, match="write it by `ic bench --json`"):
        load_figures(committed_tables().workload, file)


def test_the_committed_tables_say_when_and_how_they_were_measured() -> None:
    report = json.loads(table_files.MEASURED_FILE.read_text())
    assert report["measured_at"]
    assert report["source"]
    tables = committed_tables()
    assert tables.records.source
    assert tables.prices.as_of
    assert tables.prices.source
    bases = {"measured", "measured, few records", "built by hand", "estimated"}
    assert {each.basis.removesuffix(", earlier") for each in tables.records.collections.values()} <= bases
