"""The command `ic plan`: what it prints, and how it answers mistakes."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from ops.cli import main
from ops.paths import REPO
from tests.unit.ops.capacity.plans import committed_tables

Screen = pytest.CaptureFixture[str]


def _ic(screen: Screen, *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as left:
        main(["plan", *arguments])
    shown = screen.readouterr()
    return left.value.code, " ".join((shown.out + shown.err).split())


def test_the_plan_shows_pods_stores_storage_cost_headroom_and_the_first_bottleneck(capsys: Screen) -> None:
    code, shown = _ic(capsys, "--users", "800M", "--rps", "1M", "--regions", "20")
    assert code == 0
    for words in (
        "800M users, 1M requests/s at peak, 20 regions",
        "internship-serve",
        "mongod 59 shards",
        "all collections",
        "in all",
        "earlier estimate for the same users and requests 27,000 to 120,000",
        "bandwidth at peak: in",
        "first bottleneck:",
        "measured figures: measured.json",
    ):
        assert words in shown


def test_json_holds_the_whole_plan(capsys: Screen) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "--json", "--rps", "200k"])
    content = json.loads(capsys.readouterr().out)
    assert content["request"]["rps"] == 200_000
    assert {"components", "stores", "storage", "traffic", "costs", "limits", "cost_per_month"} <= set(content)
    assert content["limits"][0]["factor"] > 0
    assert content["bottleneck"]


def test_helm_prints_values(capsys: Screen) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "--helm"])
    assert "auth-serve" in yaml.safe_load(capsys.readouterr().out)["components"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rps", "1MM"], "--rps takes a number such as 250000, 800M or 1.5k, not '1MM'"),
        (["--users", "0"], "--users takes more than 0"),
        (["--regions", "2.5"], "--regions takes a whole number"),
        (["--layers", "70/30"], "--layers takes three percentages"),
        (["--utilisation", "0%"], "--utilisation takes 1% to 100%"),
        (["--replication-factor", "51"], "--replication-factor takes more than 0 and at most 50"),
        (["--min-pods", "200", "--max-pods", "100"], "min_pods (200) is more than max_pods (100)"),
        (["--measured", "/nowhere.json"], "--measured: /nowhere.json cannot be read"),
        (["--json", "--helm"], "give one of the two"),
        (["--layers", "0/0/100"], "no cluster of this design carries that"),
        (["--rps", "2M", "simulate"], "give --rps after `simulate`, not before it"),
        (["simulate", "--scenario", "flood"], "--scenario takes ramp or region-loss, not 'flood'"),
        (["simulate", "--regions", "1"], "--regions takes 2 or more to lose one of them"),
        (["simulate", "--start-rps", "2M"], "--start-rps takes more than 0 and at most 1M"),
        (["simulate", "--ramp-seconds", "soon"], "--ramp-seconds takes a number"),
        (["simulate", "--scenario", "ramp", "--svg", "/proc/nowhere/x.svg"], "cannot be written"),
        (["measure-records", "--stack", "never-made"], "there is no stack 'never-made'"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_option(
    state_dir: Path, capsys: Screen, arguments: list[str], says: str
) -> None:
    code, shown = _ic(capsys, *arguments)
    assert code == 1
    assert shown.startswith("error: ")
    assert says in shown


def test_search_shards_that_do_not_carry_the_searches_are_named(capsys: Screen) -> None:
    code, shown = _ic(capsys, "--layers", "10/20/70", "--search-shards", "2")
    assert code == 0
    assert "too small: search shards" in shown


def test_an_edge_that_answers_all_leaves_the_lower_bounds(capsys: Screen) -> None:
    code, shown = _ic(capsys, "--layers", "100/0/0")
    assert code == 0
    assert "auth-serve 100 5" in shown
    assert _ic(capsys, "simulate", "--layers", "100/0/0")[0] == 0


def test_a_smaller_replication_factor_needs_fewer_nodes(capsys: Screen) -> None:
    _code, shown = _ic(capsys, "--replication-factor", "1", "--search-shards", "8")
    assert "mongod 59 shards 59 r7g.4xlarge" in shown


def test_a_simulation_is_shown_and_drawn(capsys: Screen, tmp_path: Path) -> None:
    plot = tmp_path / "plots" / "plan.svg"
    code, shown = _ic(capsys, "simulate", "--regions", "5", "--svg", str(plot))
    assert code == 0
    for words in ("ramp: one of 5 regions", "region-loss: one of 5 regions", "p99, ms", "most errors:"):
        assert words in shown
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


def test_a_simulation_as_json_names_its_units(capsys: Screen) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "simulate", "--scenario", "ramp", "--no-admission", "--json"])
    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert "p99, ms" in run["series"]
    assert run["totals_of_a_region"]["refused"] == 0


def test_a_missing_figure_says_where_to_put_it(capsys: Screen, tmp_path: Path) -> None:
    content = committed_tables().workload.model_dump(mode="json")
    content["kinds"]["login"]["cpu"]["serve"] = {"log-in": 1}
    file = tmp_path / "workload.yaml"
    file.write_text(yaml.safe_dump(content))
    code, shown = _ic(capsys, "--workload", str(file))
    assert code == 1
    assert "no row 'log-in' was measured" in shown
    assert "see --measured and --workload" in shown


def test_a_plan_loads_no_driver_of_a_store() -> None:
    script = "import sys\nimport ops.commands.plan\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"pymongo", "redis", "kombu", "grpc", "google", "services", "devstack"}
