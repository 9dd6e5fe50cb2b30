"""The command `ic fault`: what it takes, and what it answers to what it does not take."""

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.control_plane.mesh import Abort, Delay, Fault
from ops.commands import fault as command
from ops.commands.fault import Asked, describe, fault_of
from ops.errors import OpsError
from ops.faults.model import StoreFault
from ops.stack import control_plane, fault_proxy, faults, topology
from ops.stack.topology import Topology


@pytest.fixture
def disturbed(state_dir: Path) -> Topology:
    return topology.find_or_create("disturbed", members=3, faults=True)


@pytest.mark.parametrize(
    ("target", "asked", "fault"),
    [
        ("redis", Asked(delay_s=0.2), StoreFault(kind="delay", delay_s=0.2)),
        (
            "mongo-s1",
            Asked(delay_s=0.2, jitter_s=0.1, percent=50),
            StoreFault(kind="delay", delay_s=0.2, jitter_s=0.1, percent=50),
        ),
        ("rabbit", Asked(down=True), StoreFault(kind="down")),
        ("mailbox", Asked(hang=True), StoreFault(kind="hang")),
        ("user", Asked(abort=30), Fault(abort=Abort(percent=30))),
        ("user", Asked(abort=100, status="INTERNAL"), Fault(abort=Abort(status="INTERNAL"))),
        ("user", Asked(delay_s=0.2, percent=50), Fault(delay=Delay(duration_s=0.2, percent=50))),
    ],
)
def test_what_is_asked_is_the_fault_that_is_set(target: str, asked: Asked, fault: StoreFault | Fault) -> None:
    assert fault_of(target, asked) == fault


def test_a_fault_that_is_asked_for_a_while_has_a_time_to_end() -> None:
    until = fault_of("redis", Asked(down=True, for_s=20)).until
    assert until is not None
    assert 15 < until - time.time() <= 20


@pytest.mark.parametrize(
    ("target", "asked", "says"),
    [
        ("redis", Asked(abort=30), "'redis' is a store: it takes --delay, --down or --hang"),
        ("redis", Asked(), "say one thing"),
        ("redis", Asked(down=True, hang=True), "say one thing"),
        ("redis", Asked(hang=True, jitter_s=0.1), "--jitter is of a delay"),
        ("redis", Asked(delay_s=0.1, jitter_s=0.2), "at most the delay"),
        ("user", Asked(hang=True), "'user' is a service: it takes --delay and --abort"),
        ("user", Asked(), "say what is to happen to calls of 'user'"),
        ("user", Asked(delay_s=0.1, status="INTERNAL"), "--status says how calls fail: it needs --abort"),
        ("user", Asked(abort=5, percent=5), "--percent is of delayed calls"),
        ("user", Asked(abort=5, status="OK"), "UNAVAILABLE"),
    ],
)
def test_what_a_target_cannot_have_is_refused_with_what_it_can(target: str, asked: Asked, says: str) -> None:
    with pytest.raises(OpsError, match=says):
        fault_of(target, asked)


@pytest.mark.parametrize(("text", "seconds"), [("200ms", 0.2), ("1.5s", 1.5), ("2m", 120.0)])
def test_durations_have_units(text: str, seconds: float) -> None:
    assert command._seconds("--delay", text) == seconds


@pytest.mark.parametrize("text", ["200", "fast", "-1s", "0ms", "2h", "61m"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OpsError, match=r"--delay takes a time .* not"):
        command._seconds("--delay", text)


@pytest.mark.parametrize("text", ["0", "101%", "half", "-3%"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OpsError, match=r"--abort takes a share .* not"):
        command._percent("--abort", text)


def test_a_name_stands_for_one_process_or_a_group(disturbed: Topology) -> None:
    assert faults.resolve(disturbed, "redis") == ("redis-1", "redis-2", "redis-3")
    assert faults.resolve(disturbed, "mongo-s2") == ("mongo-s2-1", "mongo-s2-2", "mongo-s2-3")
    assert faults.resolve(disturbed, "mongo-s2-3") == ("mongo-s2-3",)
    assert len(faults.resolve(disturbed, "mongo")) == 6
    assert faults.resolve(disturbed, "user") == ("user",)


def test_an_unknown_target_is_answered_with_those_there_are(disturbed: Topology) -> None:
    with pytest.raises(OpsError, match=r"no 'mysql'.*mongo-s1.*redis-1.*rabbit.*user"):
        faults.resolve(disturbed, "mysql")


def test_a_store_of_a_stack_without_a_proxy_is_answered_with_how_to_get_one(stack: Topology) -> None:
    with pytest.raises(OpsError, match="ic up --stack NAME --faults"):
        faults.resolve(stack, "redis")
    assert faults.resolve(stack, "user") == ("user",)


def test_every_store_that_clients_know_is_behind_the_proxy(disturbed: Topology) -> None:
    assert sorted(port for _, port in fault_proxy.stores(disturbed)) == sorted(disturbed.store_ports())
    [proxy] = fault_proxy.processes(disturbed)
    assert set(proxy.ports.values()) == {*disturbed.store_ports(), disturbed.fault_proxy_ops}


def test_a_stack_without_faults_has_no_proxy(stack: Topology) -> None:
    assert fault_proxy.processes(stack) == []


def _written(topology_: Topology) -> Any:
    for folder in (topology_.etc, topology_.run):
        folder.mkdir(parents=True)
    control_plane.write_config(topology_)
    fault_proxy.write_config(topology_)


def test_what_is_set_is_in_force_until_it_ends(disturbed: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(disturbed)
    # Nobody obeys here: that is what the tests on a stack are for.
    monkeypatch.setattr(faults, "_await_obeyed", lambda *_: None)
    monkeypatch.setattr(faults, "_await_confirmed", lambda *_: None)
    slow, failing = StoreFault(kind="delay", delay_s=0.2), Fault(abort=Abort(percent=30))
    faults.set_fault(disturbed, "redis", slow)
    faults.set_fault(disturbed, "rabbit", StoreFault(kind="hang", until=time.time() - 1))
    faults.set_fault(disturbed, "user", failing)
    assert faults.in_force(disturbed) == dict.fromkeys(("redis-1", "redis-2", "redis-3"), slow) | {
        "user": failing
    }
    faults.clear(disturbed, "redis-2")
    assert set(faults.in_force(disturbed)) == {"redis-1", "redis-3", "user"}
    faults.clear(disturbed)
    assert faults.in_force(disturbed) == {}


def test_starting_the_stack_anew_ends_all_faults(
    disturbed: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(disturbed)
    monkeypatch.setattr(faults, "_await_obeyed", lambda *_: None)
    monkeypatch.setattr(faults, "_await_confirmed", lambda *_: None)
    faults.set_fault(disturbed, "redis", StoreFault(kind="down"))
    faults.set_fault(disturbed, "user", Fault(abort=Abort()))
    control_plane.write_config(disturbed)
    fault_proxy.write_config(disturbed)
    assert faults.in_force(disturbed) == {}


def test_a_service_cannot_have_a_stores_fault_nor_a_store_a_services(disturbed: Topology) -> None:
    with pytest.raises(OpsError, match="'user' is a service"):
        faults.set_fault(disturbed, "user", StoreFault(kind="down"))
    with pytest.raises(OpsError, match="'redis' is a store"):
        faults.set_fault(disturbed, "redis", Fault(abort=Abort()))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StoreFault(kind="hang", percent=50), "hang, 50 % of connections"),
        (StoreFault(kind="delay", delay_s=0.2, jitter_s=0.05), "delay 200 ms ± 50 ms"),
        (
            Fault(abort=Abort(percent=30), delay=Delay(duration_s=1)),
            "abort 30 % with UNAVAILABLE, delay 100 % by",
        ),
    ],
)
def test_a_fault_is_told_in_a_few_words(fault: StoreFault | Fault, words: str) -> None:
    assert words in describe(fault)
