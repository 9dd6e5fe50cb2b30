"""New limits come into force when they are right, however the files are replaced."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from gateway.ratelimit.config import ConfigError
from gateway.ratelimit.rules import RateLimit
from gateway.ratelimit.watched_rules import WatchedRules

GOOD = "domain: d\ndescriptors: [{{key: a, rate_limit: {{unit: day, requests_per_unit: {}}}}}]"


def limits(requests: int) -> str:
    return GOOD.format(requests)


def in_force(watched: WatchedRules) -> int:
    rule = watched.rules().find_rule("d", [("a", "")])
    assert rule is not None
    assert isinstance(rule.limit, RateLimit)
    return rule.limit.requests


def reloads(outcome: str) -> float:
    return REGISTRY.get_sample_value("ratelimit_config_reloads_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "limits.yaml"
    file.write_text(limits(1))
    return file


@pytest.fixture
def watched(file: Path) -> WatchedRules:
    return WatchedRules(file.parent, 1.0)


async def test_new_limits_come_into_force(watched: WatchedRules, file: Path) -> None:
    before = reloads("accepted")
    file.write_text(limits(2))
    await watched.poll()
    await watched.poll()
    assert in_force(watched) == 2
    assert reloads("accepted") == before + 1


async def test_wrong_limits_leave_the_old_ones_in_force_and_are_logged_once(
    watched: WatchedRules, file: Path
) -> None:
    before = reloads("refused")
    file.write_text("domain: d\ndescriptors: [{key: ''}, 7]")
    await watched.poll()
    await watched.poll()
    assert in_force(watched) == 1
    assert reloads("refused") == before + 1
    with pytest.raises(ConfigError) as caught:
        await watched.check_valid()
    assert len(caught.value.problems) == 2


async def test_the_next_right_limits_end_the_complaint(watched: WatchedRules, file: Path) -> None:
    file.write_text("domain: ")
    await watched.poll()
    file.write_text(limits(1))
    await watched.poll()
    await watched.check_valid()
    assert in_force(watched) == 1


async def test_a_swapped_symbolic_link_is_noticed_as_kubernetes_makes_it(tmp_path: Path) -> None:
    for number in (1, 2):
        version = tmp_path / f"..version{number}"
        version.mkdir()
        (version / "limits.yaml").write_text(limits(number))
    data = tmp_path / "..data"
    data.symlink_to("..version1")
    (tmp_path / "limits.yaml").symlink_to("..data/limits.yaml")
    watched = WatchedRules(tmp_path, 1.0)
    assert in_force(watched) == 1

    swapped = tmp_path / "..data_tmp"
    swapped.symlink_to("..version2")
    swapped.rename(data)
    await watched.poll()
    assert in_force(watched) == 2


async def test_files_that_are_gone_for_a_while_change_nothing(watched: WatchedRules, file: Path) -> None:
    file.unlink()
    await watched.poll()
    assert in_force(watched) == 1
    with pytest.raises(ConfigError):
        await watched.check_valid()

    file.write_text(limits(1))
    await watched.poll()
    await watched.check_valid()


async def test_a_file_that_can_not_be_read_changes_nothing_until_it_can(
    watched: WatchedRules, file: Path
) -> None:
    file.unlink()
    file.mkdir()
    await watched.poll()
    assert in_force(watched) == 1
    with pytest.raises(ConfigError):
        await watched.check_valid()

    file.rmdir()
    file.write_text(limits(1))
    await watched.poll()
    await watched.check_valid()


def test_wrong_limits_at_the_start_are_an_error_that_names_them_all(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("domain: ''")
    (tmp_path / "b.yaml").write_text("7")
    with pytest.raises(ConfigError) as caught:
        WatchedRules(tmp_path, 1.0)
    assert len(caught.value.problems) == 2
