"""The command `ic fault`: what it takes, and what it answers to what it does not take."""

import time
from pathlib import Path
from typing import Any

import pytest

from devstack import control_plane, fault_injection, fault_proxy_process, topology
from devstack.commands import fault as command
from devstack.commands.fault import FaultOptions, build_fault, describe_fault
from devstack.fault_proxy.model import StoreFault
from devstack.topology import Topology
from gateway.xds.mesh import AbortFault, DelayFault, ServiceFault
from ops.errors import OpsError


@pytest.fixture
def disturbed(state_dir: Path) -> Topology:
    return topology.find_or_create_stack("disturbed", members=3, faults=True)


@pytest.mark.parametrize(
    ("target", "asked", "fault"),
    [
        ("redis", FaultOptions(delay_s=0.2), StoreFault(kind="delay", delay_s=0.2)),
        (
            "mongo-s1",
            FaultOptions(delay_s=0.2, jitter_s=0.1, percent=50),
            StoreFault(kind="delay", delay_s=0.2, jitter_s=0.1, percent=50),
        ),
        ("rabbit", FaultOptions(down=True), StoreFault(kind="down")),
        ("mailbox", FaultOptions(hang=True), StoreFault(kind="hang")),
        ("user", FaultOptions(abort=30), ServiceFault(abort=AbortFault(percent=30))),
        (
            "user",
            FaultOptions(abort=100, status="INTERNAL"),
            ServiceFault(abort=AbortFault(status="INTERNAL")),
        ),
        (
            "user",
            FaultOptions(delay_s=0.2, percent=50),
            ServiceFault(delay=DelayFault(duration_s=0.2, percent=50)),
        ),
    ],
)
def test_what_is_asked_is_the_fault_that_is_set(
    target: str, asked: FaultOptions, fault: StoreFault | ServiceFault
) -> None:
    assert build_fault(target, asked) == fault


def test_a_fault_that_is_asked_for_a_while_has_a_time_to_end() -> None:
    until = build_fault("redis", FaultOptions(down=True, for_s=20)).until
    assert until is not None
    assert 15 < until - time.time() <= 20


@pytest.mark.parametrize(
    ("target", "asked", "says"),
    [
        ("redis", FaultOptions(abort=30), "'redis' is a store: it takes --delay, --down or --hang"),
        ("redis", FaultOptions(), "say one thing"),
        ("redis", FaultOptions(down=True, hang=True), "say one thing"),
        ("redis", FaultOptions(hang=True, jitter_s=0.1), "--jitter is of a delay"),
        ("redis", FaultOptions(delay_s=0.1, jitter_s=0.2), "at most the delay"),
        ("user", FaultOptions(hang=True), "'user' is a service: it takes --delay and --abort"),
        ("user", FaultOptions(), "say what is to happen to calls of 'user'"),
        (
            "user",
            FaultOptions(delay_s=0.1, status="INTERNAL"),
            "--status says how calls fail: it needs --abort",
        ),
        ("user", FaultOptions(abort=5, percent=5), "--percent is of delayed calls"),
        ("user", FaultOptions(abort=5, status="OK"), "UNAVAILABLE"),
    ],
)
def test_what_a_target_cannot_have_is_refused_with_what_it_can(
    target: str, asked: FaultOptions, says: str
) -> None:
    with pytest.raises(OpsError, match=says):
        build_fault(target, asked)


@pytest.mark.parametrize(("text", "seconds"), [("200ms", 0.2), ("1.5s", 1.5), ("2m", 120.0)])
def test_durations_have_units(text: str, seconds: float) -> None:
    assert command._parse_seconds("--delay", text) == seconds


@pytest.mark.parametrize("text", ["200", "fast", "-1s", "0ms", "2h", "61m"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OpsError, match=r"--delay takes a time .* not"):
        command._parse_seconds("--delay", text)


@pytest.mark.parametrize("text", ["0", "101%", "half", "-3%"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OpsError, match=r"--abort takes a share .* not"):
        command._parse_percent("--abort", text)


def test_a_name_stands_for_one_process_or_a_group(disturbed: Topology) -> None:
    assert fault_injection.resolve_fault_target(disturbed, "redis") == ("redis-1", "redis-2", "redis-3")
    assert fault_injection.resolve_fault_target(disturbed, "mongo-s2") == (
        "mongo-s2-1",
        "mongo-s2-2",
        "mongo-s2-3",
    )
    assert fault_injection.resolve_fault_target(disturbed, "mongo-s2-3") == ("mongo-s2-3",)
    assert len(fault_injection.resolve_fault_target(disturbed, "mongo")) == 6
    assert fault_injection.resolve_fault_target(disturbed, "user") == ("user",)


def test_an_unknown_target_is_answered_with_those_there_are(disturbed: Topology) -> None:
    with pytest.raises(OpsError, match=r"no 'mysql'.*mongo-s1.*redis-1.*rabbit.*user"):
        fault_injection.resolve_fault_target(disturbed, "mysql")


def test_a_store_of_a_stack_without_a_proxy_is_answered_with_how_to_get_one(stack: Topology) -> None:
    with pytest.raises(OpsError, match="ic up --stack NAME --faults"):
        fault_injection.resolve_fault_target(stack, "redis")
    assert fault_injection.resolve_fault_target(stack, "user") == ("user",)


def test_every_store_that_clients_know_is_behind_the_proxy(disturbed: Topology) -> None:
    assert sorted(port for _, port in fault_proxy_process.list_stores(disturbed)) == sorted(
        disturbed.store_ports()
    )
    [proxy] = fault_proxy_process.fault_proxy_processes(disturbed)
    assert set(proxy.ports.values()) == {*disturbed.store_ports(), disturbed.fault_proxy_ops}


def test_a_stack_without_faults_has_no_proxy(stack: Topology) -> None:
    assert fault_proxy_process.fault_proxy_processes(stack) == []


def _written(topology_: Topology) -> Any:
    for folder in (topology_.etc_folder, topology_.run_folder):
        folder.mkdir(parents=True)
    control_plane.write_mesh_files(topology_)
    fault_proxy_process.reset_store_faults(topology_)


def test_what_is_set_is_in_force_until_it_ends(disturbed: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(disturbed)
    # Nobody obeys here: that is what the tests on a stack are for.
    monkeypatch.setattr(fault_injection, "_wait_until_applied", lambda *_: None)
    monkeypatch.setattr(fault_injection, "_wait_until_confirmed", lambda *_: None)
    slow, failing = StoreFault(kind="delay", delay_s=0.2), ServiceFault(abort=AbortFault(percent=30))
    fault_injection.set_fault(disturbed, "redis", slow)
    fault_injection.set_fault(disturbed, "rabbit", StoreFault(kind="hang", until=time.time() - 1))
    fault_injection.set_fault(disturbed, "user", failing)
    assert fault_injection.read_active_faults(disturbed) == dict.fromkeys(
        ("redis-1", "redis-2", "redis-3"), slow
    ) | {"user": failing}
    fault_injection.clear_faults(disturbed, "redis-2")
    assert set(fault_injection.read_active_faults(disturbed)) == {"redis-1", "redis-3", "user"}
    fault_injection.clear_faults(disturbed)
    assert fault_injection.read_active_faults(disturbed) == {}


def test_restarting_the_stack_ends_all_faults(disturbed: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(disturbed)
    monkeypatch.setattr(fault_injection, "_wait_until_applied", lambda *_: None)
    monkeypatch.setattr(fault_injection, "_wait_until_confirmed", lambda *_: None)
    fault_injection.set_fault(disturbed, "redis", StoreFault(kind="down"))
    fault_injection.set_fault(disturbed, "user", ServiceFault(abort=AbortFault()))
    control_plane.write_mesh_files(disturbed)
    fault_proxy_process.reset_store_faults(disturbed)
    assert fault_injection.read_active_faults(disturbed) == {}


def test_a_service_cannot_have_a_stores_fault_nor_a_store_a_services(disturbed: Topology) -> None:
    with pytest.raises(OpsError, match="'user' is a service"):
        fault_injection.set_fault(disturbed, "user", StoreFault(kind="down"))
    with pytest.raises(OpsError, match="'redis' is a store"):
        fault_injection.set_fault(disturbed, "redis", ServiceFault(abort=AbortFault()))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StoreFault(kind="hang", percent=50), "hang, 50 % of connections"),
        (StoreFault(kind="delay", delay_s=0.2, jitter_s=0.05), "delay 200 ms ± 50 ms"),
        (
            ServiceFault(abort=AbortFault(percent=30), delay=DelayFault(duration_s=1)),
            "abort 30 % with UNAVAILABLE, delay 100 % by",
        ),
    ],
)
def test_a_fault_is_described_in_a_few_words(fault: StoreFault | ServiceFault, words: str) -> None:
    assert words in describe_fault(fault)
