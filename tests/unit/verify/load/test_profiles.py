"""Profiles are read from Artillery's configuration, and wrong ones are refused by field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.errors import OpsError
from verify.load.profiles import CONFIG_FILE, P99_METRIC, count_requests, read_profile, read_profiles


def write_config(path: Path, **changed: object) -> Path:
    """Write the real configuration with another environment `smoke`."""
    content = yaml.safe_load(CONFIG_FILE.read_text())
    content["config"]["environments"]["smoke"] |= changed
    file = path / "config.yml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_run_warms_up_ramps_and_sustains_in_every_profile() -> None:
    for profile in read_profiles().values():
        assert [phase.name for phase in profile.phases] == ["warm up", "ramp", "sustained"]
        assert profile.shares == {"browse": 40, "apply": 30, "search": 30}
        assert profile.share_of("browse") == pytest.approx(0.4)


def test_smoke_lasts_twenty_seconds_and_tolerates_few_failures() -> None:
    smoke = read_profile("smoke")
    assert smoke.duration_s == 20
    assert smoke.sessions == pytest.approx(4 + 12 + 30)
    assert smoke.thresholds.max_error_percent == 1
    assert not smoke.is_distributed


def test_only_the_seed_profile_is_distributed() -> None:
    assert [name for name, each in read_profiles().items() if each.is_distributed] == ["seed"]


def test_a_session_has_the_mean_of_the_scenarios_requests() -> None:
    flow: list[dict[str, Any]] = [
        {"get": {}},
        {"think": 1},
        {"loop": [{"post": {}}, {"function": "f"}], "count": 3},
    ]
    assert count_requests(flow) == 4
    assert read_profile("smoke").requests_per_session == pytest.approx(0.4 * 5 + 0.3 * 7 + 0.3 * 4)


def test_options_take_the_place_of_the_profiles_values_and_reach_artillery() -> None:
    changed = read_profile("smoke").changed(seconds=10, max_p99_ms=7, max_error_percent=2)
    assert changed.duration_s == 10
    overrides = changed.artillery_overrides()["config"]
    assert [phase["duration"] for phase in overrides["phases"]] == [2, 3, 5]
    assert overrides["phases"][1] == {"name": "ramp", "duration": 3, "arrivalRate": 1, "rampTo": 3}
    assert overrides["ensure"] == {"maxErrorRate": 2, "thresholds": [{P99_METRIC: 7}]}
    assert read_profile("smoke").changed() == read_profile("smoke")


def test_an_unknown_profile_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(OpsError, match=r"--profile: there is no profile 'huge'.*smoke, local, seed"):
        read_profile("huge")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"phases": []}, "phases"),
        ({"phases": [{"name": "x", "duration": 0, "arrivalRate": 1}]}, r"phases\.0\.duration"),
        ({"phases": [{"name": "x", "duration": 5, "arrivalRate": -1}]}, r"phases\.0\.arrivalRate"),
        ({"phases": [{"duration": 5, "arrivalRate": 1}]}, r"phases\.0\.name"),
        ({"ensure": {"maxErrorRate": 101, "thresholds": [{P99_METRIC: 1}]}}, r"ensure\.maxErrorRate"),
        ({"ensure": {"maxErrorRate": 1, "thresholds": [{P99_METRIC: 0}]}}, r"ensure\.p99"),
        ({"ensure": {"maxErrorRate": 1}}, r"ensure\.p99"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(
    tmp_path: Path, changed: dict[str, object], field: str
) -> None:
    with pytest.raises(OpsError, match=rf"config\.yml: config\.environments\.smoke\.{field}"):
        read_profiles(write_config(tmp_path, **changed))


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("a: [")
    with pytest.raises(OpsError, match=r"config\.yml is no YAML"):
        read_profiles(file)
