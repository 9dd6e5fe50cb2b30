"""EndpointSlices, asked of an API server of the test's own over HTTP."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from chassis.settings import MisconfiguredError
from devstack.kubernetes_api import KubernetesApiServer, endpoint_slice, slice_endpoint
from gateway.control_plane.endpoint_sources.kubernetes import KubernetesEndpointSource, WatchedService
from gateway.control_plane.kubernetes import list_watch
from gateway.control_plane.kubernetes.access import KubernetesAccess
from gateway.xds.endpoints import Endpoint
from tests.contracts.endpoint_source import PORT, REGION, SERVICE, EndpointSourceContract, endpoints_at
from tests.waiting import wait_until

KUBERNETES_SERVICE = "ic-user-serve"
WATCHED = WatchedService(SERVICE, KUBERNETES_SERVICE, "grpc", REGION)


class SourceHarness:
    """A source and its API; `latest` is what it sent last, `answers` how often it sent something."""

    def __init__(self, server: KubernetesApiServer, credentials: Path) -> None:
        self.server = server
        self.credentials = credentials
        self.source = KubernetesEndpointSource(
            lambda: KubernetesAccess(server.url, credentials), server.namespace, [WATCHED]
        )
        self.latest: tuple[Endpoint, ...] | None = None
        self.answers = 0

    async def listen(self) -> None:
        async with aclosing(cast(Any, self.source.watch())) as answers:
            async for answer in answers:
                self.latest = answer[SERVICE]
                self.answers += 1

    async def set_slice(self, name: str, *endpoints: Any, **fields: Any) -> None:
        members = [slice_endpoint(one) if isinstance(one, str) else one for one in endpoints]
        await self.server.put(endpoint_slice(name, KUBERNETES_SERVICE, members, **fields))

    async def has(self, *endpoints: str | Endpoint) -> None:
        expected = sorted(Endpoint(one, PORT, REGION) if isinstance(one, str) else one for one in endpoints)
        await wait_until(lambda: self.latest is not None and list(self.latest) == expected, str(expected))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[SourceHarness]:
    async with KubernetesApiServer().serving() as server:
        harness = SourceHarness(server, tmp_path)
        listening = asyncio.create_task(harness.listen())
        yield harness
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


class KubernetesSourceFixture:
    """The API as the contract of all sources wants it: one slice with the hosts."""

    def __init__(self, server: KubernetesApiServer, folder: Path) -> None:
        self._server = server
        self.source = KubernetesEndpointSource(
            lambda: KubernetesAccess(server.url, folder), server.namespace, [WATCHED]
        )

    async def set_hosts(self, *hosts: str) -> None:
        members = [slice_endpoint(host) for host in hosts]
        await self._server.put(endpoint_slice("user-1", KUBERNETES_SERVICE, members, port=PORT))

    async def poll(self) -> None:
        await asyncio.sleep(0.05)


class TestKubernetesSource(EndpointSourceContract):
    @pytest.fixture
    async def source_fixture(self, tmp_path: Path) -> AsyncIterator[KubernetesSourceFixture]:
        async with KubernetesApiServer().serving() as server:
            yield KubernetesSourceFixture(server, tmp_path)


def test_the_contract_and_this_file_speak_of_the_same_port() -> None:
    assert endpoints_at("127.0.0.1") == (Endpoint("127.0.0.1", PORT, REGION),)


async def test_several_slices_make_one_service(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", "10.0.0.1", "10.0.0.2")
    await harness.set_slice("user-2", "10.0.0.3")
    await harness.has("10.0.0.1", "10.0.0.2", "10.0.0.3")
    await harness.server.delete("user-1")
    await harness.has("10.0.0.3")


async def test_slices_of_other_services_are_not_asked_for(harness: SourceHarness) -> None:
    await harness.server.put(endpoint_slice("other", "ic-auth-serve", [slice_endpoint("10.9.9.9")]))
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")


async def test_only_endpoints_that_are_ready_get_calls(harness: SourceHarness) -> None:
    await harness.set_slice(
        "user-1",
        slice_endpoint("10.0.0.1"),
        slice_endpoint("10.0.0.2", ready=False, serving=False),
        {"addresses": ["10.0.0.3"]},
        {"addresses": ["10.0.0.4"], "conditions": {"ready": False}},
    )
    await harness.has("10.0.0.1", "10.0.0.3")


async def test_an_endpoint_that_ends_and_still_answers_is_draining(harness: SourceHarness) -> None:
    await harness.set_slice(
        "user-1",
        slice_endpoint("10.0.0.1", ready=False, serving=True, terminating=True),
        slice_endpoint("10.0.0.2", ready=False, serving=False, terminating=True),
    )
    await harness.has(Endpoint("10.0.0.1", PORT, REGION, draining=True))


async def test_an_endpoint_that_moves_between_slices_is_there_once(harness: SourceHarness) -> None:
    ending = slice_endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    await harness.set_slice("user-1", ending, "10.0.0.2")
    await harness.set_slice("user-2", "10.0.0.1")
    await harness.has("10.0.0.1", "10.0.0.2")


async def test_the_zone_comes_with_the_endpoint(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", slice_endpoint("10.0.0.1", zone="a"))
    await harness.has(Endpoint("10.0.0.1", PORT, REGION, zone="a"))


async def test_the_port_is_found_by_its_name_in_each_slice(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", "10.0.0.1", port=6000)
    await harness.set_slice("user-2", "10.0.0.2", port=7000)
    await harness.set_slice("user-3", "10.0.0.3", port_name="http")
    await harness.has(Endpoint("10.0.0.1", 6000, REGION), Endpoint("10.0.0.2", 7000, REGION))


async def test_a_service_of_both_families_has_each_pod_once(harness: SourceHarness) -> None:
    await harness.set_slice("user-6", "fd00::1", address_type="IPv6")
    await harness.has("fd00::1")
    await harness.set_slice("user-4", "10.0.0.1")
    await harness.has("10.0.0.1")


async def test_a_long_list_is_read_in_pages_before_anything_is_sent(
    harness: SourceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_watch, "PAGE_SIZE", 3)
    await wait_until(lambda: harness.server.open_watch_count)
    for number in range(10):
        await harness.set_slice(f"user-{number}", f"10.0.0.{number}")
    harness.server.forget_changes()
    lists, answers = len(harness.server.lists), harness.answers
    await harness.server.break_watches()
    await harness.has(*(f"10.0.0.{number}" for number in range(10)))
    assert len(harness.server.lists) - lists == 4
    assert harness.answers <= answers + 2


async def test_a_list_whose_pages_expire_begins_again(
    harness: SourceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_watch, "PAGE_SIZE", 1)
    await wait_until(lambda: harness.server.open_watch_count)
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.set_slice("user-2", "10.0.0.2")
    forgotten = False
    list_pages = harness.server._list

    def forget_between_pages(query: Any, services: Any) -> Any:
        nonlocal forgotten
        if "continue" in query and not forgotten:
            forgotten = True
            harness.server.forget_changes()
        return list_pages(query, services)

    monkeypatch.setattr(harness.server, "_list", forget_between_pages)
    harness.server.forget_changes()
    await harness.server.break_watches()
    await wait_until(lambda: forgotten and harness.server.open_watch_count)
    await harness.set_slice("user-3", "10.0.0.3")
    await harness.has("10.0.0.1", "10.0.0.2", "10.0.0.3")


async def test_what_changed_while_the_version_expired_is_found_by_a_new_list(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.set_slice("user-2", "10.0.0.2")
    await harness.has("10.0.0.1", "10.0.0.2")
    harness.server.refusal = (HTTPStatus.SERVICE_UNAVAILABLE, {})
    await harness.server.break_watches()
    await harness.server.delete("user-1")
    harness.server.forget_changes()
    harness.server.refusal = None
    await harness.has("10.0.0.2")


@pytest.mark.parametrize("amid_a_line", [False, True], ids=["between events", "amid an event"])
async def test_a_broken_watch_goes_on_where_it_was(harness: SourceHarness, amid_a_line: bool) -> None:
    await harness.set_slice("user-1", "10.0.0.1")
    await wait_until(lambda: harness.server.open_watch_count)
    await harness.set_slice("user-2", "10.0.0.2")
    await harness.has("10.0.0.1", "10.0.0.2")
    lists = len(harness.server.lists)
    await harness.server.break_watches(amid_a_line=amid_a_line)
    await harness.set_slice("user-3", "10.0.0.3")
    await harness.has("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert len(harness.server.lists) == lists


async def test_a_bookmark_moves_the_version_from_which_a_watch_goes_on(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")
    await wait_until(lambda: harness.server.open_watch_count)
    lists, marked = len(harness.server.lists), harness.server._version + 1
    await harness.server.send_bookmark()
    await asyncio.sleep(0.1)
    harness.server._oldest_version = marked
    await harness.server.break_watches()
    await wait_until(lambda: harness.server.open_watch_count)
    assert harness.server.watches[-1]["resourceVersion"] == str(marked)
    assert len(harness.server.lists) == lists


async def test_the_last_endpoints_stand_while_the_api_is_away(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")
    harness.server.refusal = (HTTPStatus.INTERNAL_SERVER_ERROR, {})
    failures = _failures()
    await harness.server.break_watches()
    await wait_until(lambda: _failures() > failures + 2)
    await harness.has("10.0.0.1")
    assert REGISTRY.get_sample_value("xds_kubernetes_watch_connected") == 0
    harness.server.refusal = None
    await harness.set_slice("user-1", "10.0.0.7")
    await harness.has("10.0.0.7")
    assert REGISTRY.get_sample_value("xds_kubernetes_watch_connected") == 1


async def test_an_overloaded_api_is_left_alone_for_as_long_as_it_asks(harness: SourceHarness) -> None:
    await wait_until(lambda: harness.server.open_watch_count)
    harness.server.refusal = (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "2"})
    loop, failures = asyncio.get_running_loop(), _failures()
    await harness.server.break_watches()
    began = loop.time()
    await wait_until(lambda: _failures() > failures + 1)
    assert loop.time() - began > 1.9


async def test_an_api_that_answers_slowly_is_waited_for(harness: SourceHarness) -> None:
    await wait_until(lambda: harness.server.open_watch_count)
    harness.server.answers_after_s = 0.5
    await harness.server.break_watches()
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")


async def test_an_api_that_does_not_answer_is_asked_again(
    harness: SourceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.control_plane.kubernetes.api.READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(list_watch, "SILENCE_MARGIN_S", 0.2 - list_watch.WATCH_S[0])
    monkeypatch.setattr(list_watch, "WATCH_S", (list_watch.WATCH_S[0],) * 2)
    await wait_until(lambda: harness.server.open_watch_count)
    harness.server.answers_after_s = 30
    failures = _failures()
    await harness.server.break_watches()
    await wait_until(lambda: _failures() > failures + 1)
    harness.server.answers_after_s = 0
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")


async def test_a_token_that_was_replaced_is_read_again(harness: SourceHarness) -> None:
    await wait_until(lambda: harness.server.open_watch_count)
    (harness.credentials / "token").write_text("first\n")
    harness.server.token = "second"
    failures = _failures()
    await harness.server.break_watches()
    await wait_until(lambda: _failures() > failures + 1)
    (harness.credentials / "token").write_text("second\n")
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")


async def test_flapping_endpoints_are_passed_on_together(harness: SourceHarness) -> None:
    await harness.set_slice("user-1", "10.0.0.1")
    await harness.has("10.0.0.1")
    before = harness.answers
    for number in range(300):
        await harness.set_slice("user-1", *(["10.0.0.1"] if number % 2 else ["10.0.0.1", "10.0.0.2"]))
        await asyncio.sleep(0.001)
    await harness.set_slice("user-1", "10.0.0.3")
    await harness.has("10.0.0.3")
    assert harness.answers - before < 60


async def test_any_order_of_changes_and_faults_ends_with_what_the_api_has(harness: SourceHarness) -> None:
    chance = random.Random(7)
    slices: dict[str, list[str]] = {}
    await wait_until(lambda: harness.server.open_watch_count)
    for _ in range(120):
        name = f"user-{chance.randrange(6)}"
        match chance.randrange(10):
            case 0 if name in slices:
                del slices[name]
                await harness.server.delete(name)
            case 1:
                await harness.server.break_watches(amid_a_line=chance.random() < 0.5)
            case 2:
                harness.server.forget_changes()
            case 3:
                await harness.server.send_bookmark()
            case _:
                slices[name] = [f"10.0.0.{chance.randrange(1, 30)}" for _ in range(3)]
                await harness.set_slice(name, *slices[name])
        await asyncio.sleep(0.002)
    await harness.has(*{one for members in slices.values() for one in members})


def _failures() -> float:
    return REGISTRY.get_sample_value("xds_source_errors_total", {"source": "kubernetes"}) or 0


def test_outside_of_a_cluster_the_api_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(MisconfiguredError, match="IC_KUBERNETES_API"):
        KubernetesAccess.find("", tmp_path, {})
    with pytest.raises(MisconfiguredError, match="give `namespace`"):
        KubernetesAccess("http://localhost", tmp_path).read_namespace()


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "https://10.0.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")]
)
def test_in_a_cluster_the_api_is_found_by_the_environment(host: str, url: str, tmp_path: Path) -> None:
    variables = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"}
    assert KubernetesAccess.find("", tmp_path, variables).url == url


async def test_a_source_without_an_answer_stops_when_nobody_listens(tmp_path: Path) -> None:
    source = KubernetesEndpointSource(
        lambda: KubernetesAccess("http://127.0.0.1:1", tmp_path), "internships", [WATCHED]
    )
    answers = source.watch()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await anext(answers)
    await answers.aclose()  # type: ignore[attr-defined]
