"""The stack that integration and end-to-end tests run against, and a hand on its processes."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from devstack import lifecycle, mongo, tls, topology
from devstack.credentials import Credentials
from devstack.local_cluster import LocalCluster
from devstack.process import ProbeResult
from devstack.stack import Stack as RunningStack
from devstack.supervisor import ProcessState, SupervisorClient
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from ops.progress import StepProgress
from tests.waiting import WAIT_TIMEOUT_S
from tests.waiting import wait_until_blocking as wait_until_blocking  # noqa: PLC0414 - most who need it have a stack

STACK_VARIABLE = "IC_TEST_STACK"
READY_TIMEOUT_S = 2 * WAIT_TIMEOUT_S


@dataclass(frozen=True)
class StackHandle:
    """One running stack: where things listen, and how to disturb them."""

    topology: Topology
    credentials: Credentials

    @classmethod
    def under_test(cls) -> Self:
        """Return the stack that `ic test` made for this run.

        Raises:
            RuntimeError: tests that need a stack were started without one.
        """
        path = os.environ.get(STACK_VARIABLE)
        if not path:
            raise RuntimeError("these tests need a stack: run them with `ic test`")
        return cls.of(Topology.load(Path(path)))

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """Return another stack of this checkout."""
        return cls(topology, Credentials.load_or_create(topology))

    @property
    def cluster(self) -> LocalCluster:
        """The stack, as the operator's tools see it."""
        return LocalCluster(self.topology, self.credentials)

    @property
    def gateway_url(self) -> str:
        """The gateway, with no slash at the end."""
        return self.topology.public_url

    @property
    def trust(self) -> ssl.SSLContext | bool:
        """What httpx takes as `verify` to reach the gateways."""
        return tls.httpx_verify(self.topology)

    @property
    def mailbox_url(self) -> str:
        """The mailbox's HTTP API, with no slash at the end."""
        return self.topology.mailbox_url

    @property
    def amqp_url(self) -> str:
        """The broker, with the services' user."""
        return self.credentials.amqp_url(self.topology)

    @property
    def redis_nodes(self) -> list[tuple[str, int]]:
        """Host and port of each node; the password is `credentials.redis_password`."""
        return [(LOOPBACK, node.port) for node in self.topology.redis]

    def grpc_address(self, service: str) -> str:
        """Return `host:port` of a service's gRPC server."""
        return f"{LOOPBACK}:{self.topology.services[service].grpc}"

    def ops_url(self, service: str, role: str = "serve") -> str:
        """Return a service process's ops port: `/health`, `/ready`, `/metrics`."""
        ports = self.topology.services[service]
        return f"http://{LOOPBACK}:{ports.serve_ops if role == 'serve' else ports.work_ops}"

    def admin_uris(self) -> dict[str, str]:
        """Return by shard its address with the administrator's user."""
        return {shard.name: mongo.shard_admin_uri(shard, self.credentials) for shard in self.topology.shards}

    def mails(self, to: str) -> list[dict[str, Any]]:
        """Return the mails to one address, in full, the newest first."""
        found = httpx.get(f"{self.mailbox_url}/mails", params={"to": to}, timeout=5.0).json()["mails"]
        return [httpx.get(f"{self.mailbox_url}/mails/{mail['id']}", timeout=5.0).json() for mail in found]

    def await_mail(self, to: str, subject: str = "", *, within_s: float = WAIT_TIMEOUT_S) -> dict[str, Any]:
        """Return the newest mail to an address whose subject holds these words, as soon as it is there."""

        def matching() -> list[dict[str, Any]]:
            return [mail for mail in self.mails(to) if subject.lower() in mail["subject"].lower()]

        return wait_until_blocking(matching, f"a mail to {to} about '{subject}'", within_s=within_s)[0]

    def state(self, process: str) -> ProcessState:
        """Return what the supervisor knows of a process."""
        return self._client().states()[process]

    def restart_count(self, process: str) -> int:
        """Return how often a process was restarted after a crash."""
        return self.state(process).restarts

    def readiness(self, process: str) -> ProbeResult:
        """Return the readiness by the process's own answer."""
        return RunningStack.assemble(self.topology).find_process(process).probe()

    def kill(self, process: str) -> None:
        """Kill a process by SIGKILL; the supervisor restarts it."""
        self._client().signal(self._supervised(process), "KILL")

    def stop(self, process: str) -> None:
        """Stop a process, which then stays down."""
        self._client().stop(self._supervised(process))

    def start(self, process: str) -> None:
        """Start a stopped process."""
        self._client().start(self._supervised(process))

    def await_ready(self, process: str, *, within_s: float = READY_TIMEOUT_S) -> None:
        """Return when the process says that it is ready."""
        wait_until_blocking(
            lambda: self.readiness(process).ready, f"{process} to be ready", within_s=within_s
        )

    @contextmanager
    def outages(self) -> Iterator[Callable[[str], None]]:
        """Stop processes until the block ends, or until one is started again."""
        down: list[str] = []

        def stop(process: str) -> None:
            down.append(process)
            self.stop(process)

        try:
            yield stop
        finally:
            for process in down:
                if self.state(process).pid == 0:
                    self.start(process)
                self.await_ready(process)

    def _supervised(self, process: str) -> str:
        return f"{self.state(process).group}:{process}"

    def _client(self) -> SupervisorClient:
        return SupervisorClient(self.topology)


@contextmanager
def running_second_stack(name: str, *, stores_only: bool = False, **shape: Any) -> Iterator[StackHandle]:
    """Run a stack of another shape beside the one under test; `shape` as for `find_or_create_stack`."""
    found = topology.find_or_create_stack(f"{StackHandle.under_test().topology.name}-{name}", **shape)
    try:
        lifecycle.start_stack(found, StepProgress(), stores_only=stores_only)
        yield StackHandle.of(found)
    finally:
        lifecycle.stop_stack(found, wipe=True)
