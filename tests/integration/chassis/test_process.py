"""Whole processes: how they start, say that they are ready, and end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.service_registry import ServiceInstance
from devstack.services import service_environment
from internshipconnect.auth.v1 import auth_pb2, auth_pb2_grpc
from ops.paths import REPO
from tests.ports import free_port
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@dataclass
class LaunchedProcess:
    popen: "subprocess.Popen[str]"
    grpc_port: int
    ops_port: int

    def ops(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.ops_port}{path}", timeout=WAIT_TIMEOUT_S)

    def await_ready(self) -> None:
        wait_until_blocking(self._is_ready, "the process to be ready", within_s=60)

    def await_call(self) -> None:
        """Return once the process is answering a call."""
        wait_until_blocking(
            lambda: "\ngrpc_server_in_flight 1.0" in self.ops("/metrics").text, "a call in flight"
        )

    def await_line(self, part: str) -> None:
        """Return once the process has written a line with this part."""
        assert self.popen.stdout is not None
        assert any(part in line for line in self.popen.stdout)

    def end(self) -> tuple[int, str]:
        """Wait for the process's end; return its exit status and its output."""
        written, _ = self.popen.communicate(timeout=30)
        return self.popen.returncode, written

    def _is_ready(self) -> bool:
        assert self.popen.poll() is None, self.popen.communicate()[0]
        try:
            return self.ops("/ready").status_code == 200
        except httpx.TransportError:
            return False


class ProcessLauncher:
    def __init__(self, stack: StackHandle) -> None:
        self._stack = stack
        self.started: list[LaunchedProcess] = []

    def __call__(self, *arguments: str, role: str = "serve", **settings: str) -> LaunchedProcess:
        ports = [free_port(), free_port()]
        own = service_environment(self._stack.topology, self._stack.credentials, "auth", role)
        own |= {"IC_GRPC_PORT": str(ports[0]), "IC_OPS_PORT": str(ports[1]), **settings}
        path = os.pathsep.join([str(REPO), str(REPO / "gen")])
        popen = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.chassis.slow_service", *(arguments or (role,))],
            cwd=REPO,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(LaunchedProcess(popen, *ports))
        return self.started[-1]


@pytest.fixture
def launch(stack: StackHandle) -> Iterator[ProcessLauncher]:
    launcher = ProcessLauncher(stack)
    yield launcher
    for process in launcher.started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()


def test_a_serving_process_answers_health_readiness_and_metrics(launch: ProcessLauncher) -> None:
    process = launch()
    process.await_ready()
    assert process.ops("/health").json() == {"alive": True}

    def all_up() -> bool:
        checks = process.ops("/ready").json()["checks"]
        assert {"mongo s1", "mongo s2", "redis"} <= set(checks)
        return all(check["up"] for check in checks.values())

    wait_until_blocking(all_up, "all dependencies to be up")
    assert "grpc_server_handled_total" in process.ops("/metrics").text
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_TIMEOUT_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_call_in_flight_is_answered_before_the_process_ends(launch: ProcessLauncher) -> None:
    process = launch()
    process.await_ready()
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        call = stub.Refresh.future(auth_pb2.RefreshRequest(refresh_token="rt_a.b"), timeout=WAIT_TIMEOUT_S)
        process.await_call()
        process.popen.send_signal(signal.SIGTERM)
        assert call.result().data.tokens.access_token == "slow"
    status, written = process.end()
    assert status == 0
    assert "closed" in written
    assert '"event":"stopped"' in written


def test_a_second_signal_ends_the_process_at_once(launch: ProcessLauncher) -> None:
    process = launch()
    process.await_ready()
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
        call = auth_pb2_grpc.AuthServiceStub(channel).Refresh.future(
            auth_pb2.RefreshRequest(refresh_token="rt_a.b"), timeout=WAIT_TIMEOUT_S
        )
        process.await_call()
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        process.popen.send_signal(signal.SIGTERM)
        assert call.exception() is not None
    assert process.end()[0] == 1


def test_a_worker_is_ready_with_the_broker_runs_its_periodics_and_ends_gracefully(
    launch: ProcessLauncher,
) -> None:
    process = launch(role="work")
    process.await_ready()
    assert process.ops("/ready").json()["checks"]["broker"]["up"] is True
    process.await_line("tick")
    process.popen.send_signal(signal.SIGTERM)
    status, written = process.end()
    assert status == 0
    assert "closed" in written


def test_a_worker_without_its_broker_is_ready_for_its_other_work_and_says_so(launch: ProcessLauncher) -> None:
    process = launch(role="work", IC_AMQP_URL=f"amqp://ic:x@127.0.0.1:{free_port()}/ic")
    process.await_ready()
    assert process.ops("/ready").json()["degraded"] == ["broker"]
    process.await_line("tick")


def test_a_serving_process_is_in_the_registry_until_it_has_drained(
    launch: ProcessLauncher, tmp_path: Path
) -> None:
    process = launch(IC_REGISTRY=str(tmp_path), IC_REGION="south", IC_DRAIN_S="0.5")
    process.await_ready()
    [entry] = wait_until_blocking(lambda: list(tmp_path.glob("auth-*.json")), "the registration")
    instance = ServiceInstance.from_json(entry.read_bytes())
    assert (instance.port, instance.region, instance.draining) == (process.grpc_port, "south", False)
    process.popen.send_signal(signal.SIGTERM)
    wait_until_blocking(
        lambda: ServiceInstance.from_json(entry.read_bytes()).draining, "the draining", every_s=0.02
    )
    assert process.end()[0] == 0
    assert not entry.exists()


def test_a_process_that_starts_without_its_control_plane_waits_and_says_so(
    launch: ProcessLauncher, tmp_path: Path
) -> None:
    bootstrap = tmp_path / "xds.json"
    server = {"server_uri": f"127.0.0.1:{free_port()}", "channel_creds": [{"type": "insecure"}]}
    bootstrap.write_text(json.dumps({"xds_servers": [server], "node": {"id": "x", "cluster": "services"}}))
    process = launch(IC_XDS_BOOTSTRAP=str(bootstrap))
    wait_until_blocking(lambda: _status(process, "/health") == 200, "the process to live", within_s=60)
    answer = process.ops("/ready")
    assert answer.status_code == 503
    assert "waits for the control plane" in answer.json()["checks"]["control plane"]["error"]


def test_wrong_settings_are_all_named_at_once(launch: ProcessLauncher) -> None:
    status, written = launch(IC_GRPC_PORT="many", IC_PUBLIC_URL="").end()
    assert status == 2
    assert "IC_GRPC_PORT" in written
    assert "IC_PUBLIC_URL" in written
    assert "Traceback" not in written


def test_a_role_that_does_not_exist_is_refused_with_the_usage(launch: ProcessLauncher) -> None:
    status, written = launch("sleep").end()
    assert status == 2
    assert "serve|work" in written


def test_a_port_that_is_taken_is_said_in_one_line(launch: ProcessLauncher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for setting in ("IC_GRPC_PORT", "IC_OPS_PORT"):
            status, written = launch(**{setting: port}).end()
            assert status == 1
            assert port in written
            assert "Traceback" not in written


def test_a_missing_key_file_is_said_in_one_line(launch: ProcessLauncher, tmp_path: Path) -> None:
    broken = tmp_path / "key.pem"
    broken.write_text("no key")
    status, written = launch(IC_SERVICE_KEY=str(broken)).end()
    assert status == 1
    assert "Traceback" not in written


def _status(process: LaunchedProcess, path: str) -> int:
    try:
        return process.ops(path).status_code
    except httpx.TransportError:
        return 0
