"""The log store: which lines are shipped to it, and how many it holds."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack import topology
from devstack.log_store.processes import log_store_processes, shipper_config
from devstack.log_store.server import LogStoreServer
from devstack.stack import Stack
from devstack.supervisor import log_path
from devstack.toolbox import tools
from devstack.topology import Topology
from ops.errors import OpsError
from tests.ports import free_port

MAX_LINES = 10


@pytest.fixture
def observed(state_dir: Path) -> Topology:
    return topology.find_or_create_stack("seen", regions=2, observe=True)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[LogStoreServer]:
    try:
        tools.install_log_store()
    except OpsError as error:
        pytest.skip(f"the log store's server cannot be installed here: {error}")
    with LogStoreServer(tools.log_store_binary(), port, max_lines=MAX_LINES) as server:
        server.prepare()
        yield server


def _request(port: int, path: str, body: bytes | None = None) -> Any:
    url, headers = f"http://127.0.0.1:{port}{path}", {"content-type": "application/x-ndjson"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return json.loads(answer.read())


def _add_lines(port: int, index: str, count: int, **fields: object) -> None:
    action = json.dumps({"index": {"_index": index}})
    line = json.dumps({"time": "2030-01-31T12:34:56.789Z", "event": "rpc", **fields})
    body = "".join(f"{action}\n{line}\n" for _ in range(count))
    assert not _request(port, "/_bulk", body.encode())["errors"]
    _request(port, "/logs/_refresh", b"")


def test_the_lines_of_every_process_that_writes_ours_are_shipped(observed: Topology) -> None:
    processes = Stack.assemble(observed).processes
    config = shipper_config(observed, processes)
    for name in ("auth-serve", "user-work-2", "envoy", "envoy-2", "control-plane", "rate-limiter"):
        assert f'file="{log_path(observed, name)}" tag="{name}"' in config
    for name in ("mongo-s1", "redis-1", "rabbit", "prometheus", "log-store"):
        assert str(log_path(observed, name)) not in config


def test_the_shipper_listens_nowhere_and_sends_to_this_machine(observed: Topology) -> None:
    config = shipper_config(observed, Stack.assemble(observed).processes)
    modules = {line for line in config.splitlines() if line.startswith("module(")}
    assert all("imfile" in line or "mmjsonparse" in line or "omelasticsearch" in line for line in modules)
    assert f'server="127.0.0.1" serverport="{observed.observers.logs}"' in config


def test_only_an_observed_stack_has_a_log_store(stack: Topology, observed: Topology) -> None:
    assert not log_store_processes(stack)
    assert {process.name for process in log_store_processes(observed)} == {"log-store", "log-shipper"}


def test_a_line_is_found_by_its_fields_and_others_do_no_harm(server: LogStoreServer, port: int) -> None:
    _add_lines(
        port, "logs-2030-01-31-123", 1, trace_id="abc", status="-", detail={"a": 1}, event="rpc failed"
    )
    _add_lines(port, "logs-2030-01-31-123", 1, trace_id="def", status=200, detail="text")
    for query, expected in (
        ("trace_id:abc", 1),
        ("event:failed", 1),
        ("status:200", 1),
        ("trace_id:none", 0),
    ):
        assert _request(port, f"/logs/_search?q={query}")["hits"]["total"]["value"] == expected, query
    properties = _request(port, "/logs-2030-01-31-123/_mapping")["logs-2030-01-31-123"]["mappings"][
        "properties"
    ]
    assert "detail" not in properties
    _request_delete(port, "/logs-2030-01-31-123")


def _request_delete(port: int, path: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="DELETE")):
        pass


def test_the_oldest_lines_are_deleted_beyond_the_bound(server: LogStoreServer, port: int) -> None:
    indexes = [f"logs-2030-01-31-12{tens}" for tens in range(4)]
    for index in indexes:
        _add_lines(port, index, 4)
    assert server.prune() == indexes[:2]
    assert server.prune() == []
    assert _request(port, "/logs/_count")["count"] == 8


def test_a_server_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with LogStoreServer(program, free_port()) as server, pytest.raises(RuntimeError, match="does not answer"):
        server.prepare()


def test_the_end_of_the_server_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.log_store.server.PRUNE_INTERVAL_S", 0.01)
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with LogStoreServer(program, free_port()) as server, pytest.raises(RuntimeError, match="ended with 3"):
        time.sleep(0.1)
        server.prune_until(threading.Event())
