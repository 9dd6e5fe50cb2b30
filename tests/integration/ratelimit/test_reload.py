"""Limits that change while the service runs, and limits with which it does not start."""

from pathlib import Path

import pytest

from tests.integration.ratelimit.process import (
    SLOW_REDIS_SETTINGS,
    LaunchedRateLimiter,
    RateLimitClient,
    RateLimiterLauncher,
    build_descriptor,
)
from tests.stack import wait_until_blocking

GOOD = "domain: test\ndescriptors: [{{key: a, rate_limit: {{unit: day, requests_per_unit: {}}}}}]"
WRONG = "domain: test\ndescriptors: [{key: '', rate_limit: {unit: fortnight}}]\nburst: 1"


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    folder = tmp_path / "limits"
    folder.mkdir()
    (folder / "test.yaml").write_text(GOOD.format(2))
    return folder


def started(launch: RateLimiterLauncher, limits: Path) -> LaunchedRateLimiter:
    service = launch(IC_LIMITS_DIR=str(limits), IC_LIMITS_POLL_S="0.2", **SLOW_REDIS_SETTINGS)
    service.await_ready()
    return service


async def test_a_higher_limit_holds_at_once_for_who_has_used_up_the_lower_one(
    launch: RateLimiterLauncher, limits: Path, somebody: str
) -> None:
    service = started(launch, limits)
    client = RateLimitClient(service.address, "test")
    assert [await client.passes(build_descriptor(("a", somebody))) for _ in range(3)] == [True, True, False]

    (limits / "test.yaml").write_text(GOOD.format(4))
    wait_until_blocking(
        lambda: service.metric("ratelimit_config_reloads_total", outcome="accepted") == 1,
        "the new limits",
    )
    assert [await client.passes(build_descriptor(("a", somebody))) for _ in range(3)] == [True, True, False]
    await client.close()


async def test_wrong_limits_are_reported_with_all_errors_and_leave_the_old_ones_in_force(
    launch: RateLimiterLauncher, limits: Path, somebody: str
) -> None:
    service = started(launch, limits)
    client = RateLimitClient(service.address, "test")
    (limits / "test.yaml").write_text(WRONG)
    wait_until_blocking(
        lambda: service.metric("ratelimit_config_reloads_total", outcome="refused") == 1,
        "the new limits to be refused",
    )
    assert [await client.passes(build_descriptor(("a", somebody))) for _ in range(3)] == [True, True, False]
    for error in (
        "descriptors[0].key: is empty",
        "rate_limit.unit: is 'fortnight'",
        "burst: is an unknown key",
    ):
        assert error in service.written()
    wait_until_blocking(lambda: service.ops("/ready").json()["degraded"] == ["limits"], "degradation")
    assert service.ops("/ready").status_code == 200

    (limits / "test.yaml").write_text(GOOD.format(3))
    wait_until_blocking(lambda: service.ops("/ready").json()["degraded"] == [], "no degradation")
    assert [await client.passes(build_descriptor(("a", somebody))) for _ in range(2)] == [True, False]
    await client.close()


def test_the_service_does_not_start_with_wrong_limits(launch: RateLimiterLauncher, limits: Path) -> None:
    (limits / "test.yaml").write_text(WRONG)
    (limits / "other.yaml").write_text("- 1")
    service = launch(IC_LIMITS_DIR=str(limits))
    assert service.popen.wait(timeout=60) == 2
    for error in ("descriptors[0].key: is empty", "burst: is an unknown key", "other.yaml: is a list"):
        assert error in service.written()
    assert "Traceback" not in service.written()


def test_wrong_settings_are_all_named_at_once(launch: RateLimiterLauncher) -> None:
    service = launch(IC_GRPC_PORT="many", IC_LIMITS_DIR="/nowhere", IC_REDIS_NODES="")
    assert service.popen.wait(timeout=60) == 2
    for variable in ("IC_GRPC_PORT", "IC_LIMITS_DIR", "IC_REDIS_NODES"):
        assert variable in service.written()


def test_the_service_ends_gracefully(launch: RateLimiterLauncher) -> None:
    service = launch()
    service.await_ready()
    assert service.end() == 0
    assert '"event":"stopped"' in service.written()
