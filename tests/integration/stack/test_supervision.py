"""The local stack: what `status` says is so, what dies comes back, and nothing stays behind."""

import json
import os
import subprocess
import sys
from typing import Any

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from devstack import foreign_port_owners, lifecycle, process_status
from devstack.stack import Stack
from devstack.supervisor import SupervisorClient, log_path
from ops.progress import StepProgress
from tests.stack import StackHandle, wait_until_blocking


def test_status_shows_each_process_ready_with_a_living_pid_and_its_ports(stack: StackHandle) -> None:
    def all_ready() -> list[process_status.ProcessStatus]:
        found = process_status.read_process_statuses(Stack.assemble(stack.topology))
        return found if all(row.ready for row in found) else []

    rows = wait_until_blocking(all_ready, "every process to be ready", within_s=60)

    assert {"supervisor", "rabbit", "mongo-s1", "mongo-s2", "redis-1", "mailbox", "envoy"} <= {
        r.name for r in rows
    }
    assert all(row.pid and psutil.pid_exists(row.pid) and row.memory_bytes > 0 for row in rows)


def test_status_prints_json_for_scripts(stack: StackHandle) -> None:
    command = [sys.executable, "-m", "ops.cli", "status", "--stack", stack.topology.name, "--json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert {"name", "ports", "pid", "state", "restarts", "ready"} <= json.loads(printed)["processes"][
        0
    ].keys()


def test_a_killed_process_is_restarted_and_its_count_says_so(stack: StackHandle) -> None:
    before = stack.state("mailbox")

    stack.kill("mailbox")

    wait_until_blocking(lambda: stack.restart_count("mailbox") == before.restarts + 1, "the restart")
    stack.await_ready("mailbox")
    assert stack.state("mailbox").pid != before.pid


def test_a_killed_service_comes_back_alone_as_a_process_of_its_own(stack: StackHandle) -> None:
    before = SupervisorClient(stack.topology).states()

    stack.kill("analytics-work")

    wait_until_blocking(
        lambda: stack.restart_count("analytics-work") == before["analytics-work"].restarts + 1, "the restart"
    )
    stack.await_ready("analytics-work")
    after = SupervisorClient(stack.topology).states()
    assert [name for name in after if after[name].pid != before[name].pid] == ["analytics-work"]
    assert psutil.Process(after["analytics-work"].pid).ppid() == SupervisorClient(stack.topology).pid()


def test_services_share_the_memory_of_their_code(stack: StackHandle) -> None:
    for name in ("auth-serve", "notification-work"):
        memory = psutil.Process(stack.state(name).pid).memory_full_info()
        # `shared` are the files that any processes share; the pages of the parent's imports come on top.
        assert memory.rss - memory.uss > 2 * memory.shared


def test_a_service_process_has_the_environment_of_the_supervisor_and_logs_into_its_own_file(
    stack: StackHandle,
) -> None:
    pid = stack.state("user-work").pid

    assert pid in {each.pid for each in foreign_port_owners.find_stack_processes(stack.topology)}
    log = log_path(stack.topology, "user-work").read_text()
    assert '"service":"user","role":"work"' in log


def test_a_killed_broker_comes_back_with_its_user(stack: StackHandle) -> None:
    stack.kill("rabbit")

    stack.await_ready("rabbit")


def test_a_process_stopped_on_purpose_stays_down_and_counts_no_restart(stack: StackHandle) -> None:
    restarts = stack.restart_count("redis-3")

    stack.stop("redis-3")
    try:
        assert stack.state("redis-3").state == "STOPPED"
        assert not stack.readiness("redis-3").ready
    finally:
        stack.start("redis-3")
    stack.await_ready("redis-3")
    assert stack.restart_count("redis-3") == restarts


def test_up_on_a_running_stack_starts_what_is_down_and_leaves_the_rest_alone(stack: StackHandle) -> None:
    pid = stack.state("mongo-s1").pid
    stack.stop("mailbox")

    lifecycle.start_stack(stack.topology, StepProgress())

    assert stack.readiness("mailbox").ready
    assert stack.state("mongo-s1").pid == pid


def test_up_boots_a_broker_that_is_down_and_does_not_wait_for_it(stack: StackHandle) -> None:
    stack.stop("rabbit")
    running = lifecycle.start_without_broker(stack.topology, StepProgress())
    lifecycle.finish_new_broker(running, StepProgress())
    stack.await_ready("rabbit")


def test_a_service_user_reaches_its_own_database_and_no_other(stack: StackHandle) -> None:
    shard = stack.topology.shards[0]
    password = stack.credentials.services["user"].mongo_password
    client: MongoClient[dict[str, Any]] = MongoClient(
        shard.uri, username="user", password=password, authSource="admin"
    )
    with client:
        client["ic_user"]["probe"].insert_one({"_id": "allowed"})
        client["ic_user"]["probe"].drop()
        with client["ic_user"].watch(max_await_time_ms=1) as changes:
            changes.try_next()
        with pytest.raises(OperationFailure, match="not authorized"):
            client["ic_auth"]["probe"].find_one()


def test_a_second_stack_runs_beside_on_ports_and_data_of_its_own(
    stack: StackHandle, beside: StackHandle
) -> None:
    assert not set(stack.topology.ports()) & set(beside.topology.ports())
    assert beside.readiness("mongo-s1").ready
    assert stack.readiness("mongo-s1").ready
    assert beside.credentials.redis_password != stack.credentials.redis_password


def test_down_leaves_no_process_even_when_the_supervisor_was_killed(
    stack: StackHandle, beside: StackHandle
) -> None:
    os.kill(SupervisorClient(beside.topology).pid(), 9)
    assert foreign_port_owners.find_stack_processes(beside.topology)

    lifecycle.stop_stack(beside.topology)

    assert foreign_port_owners.find_stack_processes(beside.topology) == []
    assert foreign_port_owners.find_foreign_port_owners(beside.topology.ports()) == {}
    assert stack.readiness("rabbit").ready
