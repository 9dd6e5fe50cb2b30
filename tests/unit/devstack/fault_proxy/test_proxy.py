"""The proxy obeys its file, and ends by itself what has a time to end."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from chassis.settings import MisconfiguredError
from devstack.fault_proxy import model
from devstack.fault_proxy.__main__ import run_fault_proxy
from devstack.fault_proxy.model import StoreFault, StoreFaults
from devstack.fault_proxy.proxy import FaultProxy, StoreRoute
from gateway.control_plane.watched_file import WatchedFile, hash_file_content
from tests.ports import free_port
from tests.waiting import WAIT_TIMEOUT_S, wait_until


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def has_fault(kind: str) -> bool:
    return value("fault_proxy_faults", store="sample", kind=kind) == 1


async def until_obeyed(file: Path, faults: StoreFaults) -> None:
    content = model.render_store_faults(faults)
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(content)
    unfinished.rename(file)
    await wait_until(lambda: value("fault_proxy_file_info", digest=hash_file_content(content)) == 1)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "faults.json"
    path.write_bytes(model.render_store_faults({}))
    proxy = FaultProxy(
        [StoreRoute("sample", free_port(), free_port())],
        WatchedFile(path, model.parse_store_faults, poll_interval_s=0.02),
    )
    await proxy.open()
    following = asyncio.create_task(proxy.follow())
    yield path
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await proxy.close()


async def test_the_proxy_reports_which_version_of_the_file_it_obeys(file: Path) -> None:
    await until_obeyed(file, {"sample": StoreFault(kind="hang")})
    assert has_fault("hang")
    await until_obeyed(file, {})
    assert not has_fault("hang")


async def test_a_fault_ends_by_itself_when_its_time_is_over(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_at = time.time() + 3_600
    await until_obeyed(file, {"sample": StoreFault(kind="down", until=ends_at)})
    assert has_fault("down")
    monkeypatch.setattr("devstack.fault_proxy.proxy.time.time", lambda: ends_at + 1)
    await wait_until(lambda: not has_fault("down"))


async def test_a_fault_that_was_over_before_the_proxy_read_of_it_never_begins(file: Path) -> None:
    await until_obeyed(file, {"sample": StoreFault(kind="down", until=time.time() - 1)})
    assert not has_fault("down")


async def test_a_file_that_is_wrong_changes_nothing(file: Path) -> None:
    await until_obeyed(file, {"sample": StoreFault(kind="hang")})
    before = value("xds_reload_errors_total", file=file.name) or 0
    file.write_text('{"sample": {"kind": "explode"}}')
    await wait_until(lambda: (value("xds_reload_errors_total", file=file.name) or 0) > before)
    assert has_fault("hang")


def test_a_file_is_read_as_it_was_written() -> None:
    faults = {
        "redis-1": StoreFault(kind="delay", delay_s=0.2, jitter_s=0.05, percent=50, until=1_790_000_000.5),
        "mongo-s1": StoreFault(kind="hang"),
    }
    assert model.parse_store_faults(model.render_store_faults(faults)) == faults


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "JSON"),
        (b'{"redis-1": {"kind": "delay"}}', "delay_s"),
        (b'{"redis-1": {"kind": "down", "delay_s": 1}}', "delay_s"),
        (b'{"redis-1": {"kind": "delay", "delay_s": 1, "jitter_s": 2}}', "jitter_s"),
        (b'{"redis-1": {"kind": "down", "percent": 0}}', "redis-1.percent"),
        (b'{"redis-1": {"kind": "down", "for": "20s"}}', "redis-1.for"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(content: bytes, complaint: str) -> None:
    with pytest.raises(MisconfiguredError, match=complaint):
        model.parse_store_faults(content)


def test_a_route_is_read_as_it_is_written() -> None:
    assert str(StoreRoute.parse("redis-1=7101:7106")) == "redis-1=7101:7106"


async def test_a_proxy_that_no_longer_follows_its_file_ends_and_says_why(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(_: FaultProxy) -> None:
        raise RuntimeError("stumbled")

    monkeypatch.setattr(FaultProxy, "follow", stumble)
    route = StoreRoute("sample", free_port(), free_port())
    with pytest.raises(RuntimeError, match="stumbled"):
        await asyncio.wait_for(run_fault_proxy([route], file, ops_port=free_port()), WAIT_TIMEOUT_S)
