"""The registry: processes that register themselves, drain, leave or are killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.service_registry import RegistryEntry, ServiceInstance, reachable_host
from gateway.control_plane.endpoint_sources.registry import POLL_INTERVAL_S, RegistryEndpointSource
from gateway.xds.endpoints import Endpoint
from ops.paths import GEN, REPO
from tests.contracts.endpoint_source import (
    PORT,
    REGION,
    SERVICE,
    EndpointSourceContract,
    endpoints_at,
    listening_to,
)
from tests.fakes.controlled_sleep import ControlledSleep

DISTURBANCES = 300
PROCESS = """
import sys, time
from pathlib import Path
from chassis.service_registry import RegistryEntry, ServiceInstance
RegistryEntry(Path(sys.argv[1]), ServiceInstance("user", "127.0.0.9", 5002, "local"))
print("registered", flush=True)
time.sleep(600)
"""


def instance(host: str) -> ServiceInstance:
    return ServiceInstance(SERVICE, host, PORT, REGION)


class RegistrySourceFixture:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pauses = ControlledSleep()
        self.source = RegistryEndpointSource(folder, sleep=self.pauses)
        self.registered: dict[str, RegistryEntry] = {}

    async def set_hosts(self, *hosts: str) -> None:
        for host in hosts:
            if host not in self.registered:
                self.registered[host] = RegistryEntry(self.folder, instance(host), entry_name=host)
        for host in self.registered.keys() - set(hosts):
            self.registered.pop(host).remove()

    async def poll(self) -> None:
        await self.pauses.look()


@pytest.fixture
def source_fixture(tmp_path: Path) -> Iterator[RegistrySourceFixture]:
    source_fixture = RegistrySourceFixture(tmp_path / "registry")
    yield source_fixture
    for registration in source_fixture.registered.values():
        registration.remove()


class TestRegistrySource(EndpointSourceContract):
    @pytest.fixture
    def source_fixture(self, source_fixture: RegistrySourceFixture) -> RegistrySourceFixture:
        return source_fixture


async def test_a_draining_process_is_reported_as_draining(source_fixture: RegistrySourceFixture) -> None:
    await source_fixture.set_hosts("127.0.0.1", "127.0.0.2")
    async with listening_to(source_fixture) as listener:
        await listener.next()
        source_fixture.registered["127.0.0.1"].mark_draining()
        draining = Endpoint("127.0.0.1", PORT, REGION, draining=True)
        assert await listener.next() == (draining, *endpoints_at("127.0.0.2"))


async def test_a_killed_process_is_gone_with_the_next_look_and_leaves_no_file(
    source_fixture: RegistrySourceFixture,
) -> None:
    path = os.pathsep.join((str(REPO), str(GEN)))
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(source_fixture.folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"registered\n"
    async with listening_to(source_fixture) as listener:
        assert await listener.next() == endpoints_at("127.0.0.9")
        process.send_signal(signal.SIGKILL)
        process.wait()
        await source_fixture.poll()
        assert await listener.next() == ()
    assert POLL_INTERVAL_S <= 0.5
    assert list(source_fixture.folder.glob("*.json")) == []
    process.stdout.close()


async def test_what_is_no_registration_is_passed_over(source_fixture: RegistrySourceFixture) -> None:
    await source_fixture.set_hosts("127.0.0.1")
    (source_fixture.folder / "odd.json").write_text("{]")
    async with listening_to(source_fixture) as listener:
        assert await listener.next() == endpoints_at("127.0.0.1")


async def test_a_folder_that_is_missing_is_empty(tmp_path: Path) -> None:
    async with listening_to(RegistrySourceFixture(tmp_path / "not" / "there")) as listener:
        assert await listener.next() == ()


async def test_processes_that_come_and_drain_all_the_time_are_never_lost(
    source_fixture: RegistrySourceFixture,
) -> None:
    await source_fixture.set_hosts("127.0.0.1")

    def disturb() -> None:
        for _ in range(DISTURBANCES):
            source_fixture.registered["127.0.0.1"].mark_draining()

    async with listening_to(source_fixture) as listener:
        disturbing = asyncio.create_task(asyncio.to_thread(disturb))
        sent = [await listener.next()]
        while not disturbing.done():
            await source_fixture.poll()
        await disturbing
        while not await listener.is_silent():
            sent.append(await listener.next())
    assert {tuple(one.host for one in each) for each in sent} == {("127.0.0.1",)}


@pytest.mark.parametrize("content", ["[]", '{"service": "user"}', '{"a": 1}', "null"])
def test_a_file_with_other_content_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match="registration"):
        ServiceInstance.from_json(content.encode())


def test_a_server_that_listens_everywhere_is_reached_on_this_machine() -> None:
    assert [reachable_host(host) for host in ("0.0.0.0", "::", "10.0.0.7")] == ["127.0.0.1"] * 2 + [
        "10.0.0.7"
    ]
