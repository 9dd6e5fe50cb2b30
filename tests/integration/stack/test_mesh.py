"""The whole stack as a mesh: what its processes know of each other, and what a change or a loss does."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import yaml

from devstack.control_plane import MAX_CONCURRENT_CALLS
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

JWKS = "/.well-known/jwks.json"


@contextmanager
def asking(stack: StackHandle) -> Iterator[list[str]]:
    """Call the gateway repeatedly until the block ends; the yielded list holds the failures."""
    failures: list[str] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=stack.gateway_url, timeout=WAIT_TIMEOUT_S) as client:
            while not over.wait(0.02):
                try:
                    status = client.get(JWKS).status_code
                    if status != 200:
                        failures.append(str(status))
                except httpx.TransportError as error:
                    failures.append(repr(error))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield failures
    finally:
        over.set()
        asker.join()


def nodes(stack: StackHandle) -> dict[str, Any]:
    command = [sys.executable, "-m", "ops.cli", "mesh", "--stack", stack.topology.name, "--json"]
    printed = subprocess.run(command, check=False, capture_output=True, text=True)
    if printed.returncode != 0:
        return {}
    return {node["node"]: node for node in json.loads(printed.stdout)["nodes"]}


def are_synced(stack: StackHandle, *wanted: str) -> bool:
    found = nodes(stack)
    return all(
        name in found and {kind["state"] for kind in found[name]["kinds"]} == {"SYNCED"} for name in wanted
    )


def await_synced(stack: StackHandle) -> None:
    def look() -> bool:
        return are_synced(stack, "gateway", "application-serve")

    wait_until_blocking(look, "the mesh to be in step", within_s=60)


def test_envoy_and_the_services_have_confirmed_everything(stack: StackHandle) -> None:
    await_synced(stack)


def test_calls_go_on_while_the_control_plane_is_killed_and_its_nodes_come_back(stack: StackHandle) -> None:
    with asking(stack) as failures:
        stack.kill("control-plane")
        await_synced(stack)
    assert failures == []


def test_a_changed_mesh_file_takes_effect_and_no_call_fails(stack: StackHandle) -> None:
    before = stack.topology.mesh_file.read_text()
    with asking(stack) as failures:
        changed = yaml.safe_load(before) | {"limits": {"max_requests": 1234}}
        stack.topology.mesh_file.write_text(yaml.safe_dump(changed))
        await_limit(stack, "notification", 1234)
        stack.topology.mesh_file.write_text(before)
        await_limit(stack, "notification", 2000)
        await_limit(stack, "auth", MAX_CONCURRENT_CALLS)
    assert failures == []


def await_limit(stack: StackHandle, service: str, requests: int) -> None:
    wanted = f"{service}::default_priority::max_requests::{requests}"
    wait_until_blocking(lambda: wanted in _clusters(stack), f"Envoy to allow {requests} requests")


def _clusters(stack: StackHandle) -> str:
    return httpx.get(f"http://127.0.0.1:{stack.topology.gateway_admin}/clusters", timeout=WAIT_TIMEOUT_S).text
