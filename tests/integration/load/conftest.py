"""The stack under test with a little data, and runs of `ic load` on it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devstack.journey.client import ApiUser
from devstack.journey.main_journey import sample_listing
from devstack.seed.seeding import SEED_PASSWORD
from devstack.topology import Topology
from ops.paths import REPO
from tests.stack import StackHandle, running_second_stack

SEEDED = ("--companies", "3", "--students", "12", "--listings", "24", "--applications", "6")
RUN_TIMEOUT_S = 280


@dataclass(frozen=True)
class LoadRun:
    """A finished `ic load`."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class LoadedStack:
    """A seeded stack."""

    topology: Topology

    @property
    def folder(self) -> Path:
        """Where the tools leave what they measured."""
        return self.topology.root / "load"

    def publish(self, title: str) -> None:
        """Open a listing of a seeded company; the sessions read its title as something to search for."""
        owner = ApiUser(self.topology.public_url, self.topology.mailbox_url, "company-1@seed.example.com")
        owner.log_in(SEED_PASSWORD)
        listings = "/api/v1/internships"
        draft = owner.post(listings, **sample_listing("load") | {"title": title, "questions": []})
        assert owner.post(f"{listings}/{draft['id']}:publish")["title"] == title

    def load(self, *arguments: str) -> LoadRun:
        """Run `ic load` on it."""
        done = run_ic("load", "--stack", self.topology.name, *arguments)
        return LoadRun(done.returncode, done.stdout)


def run_ic(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with its errors among its output."""
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", *arguments],
        cwd=REPO,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )


def seeded(topology: Topology) -> LoadedStack:
    """Return the stack with data; one that has some is left as it is."""
    if not topology.seeded_marker.exists():
        done = run_ic("seed", "--stack", topology.name, *SEEDED)
        assert done.returncode == 0, done.stdout
    return LoadedStack(topology)


@pytest.fixture(scope="module")
def stack() -> LoadedStack:
    """Return the stack under test, whose rate limits are lifted."""
    return seeded(StackHandle.under_test().topology)


@pytest.fixture(scope="module")
def limited_stack() -> Iterator[LoadedStack]:
    """Run a second stack with the usual rate limits."""
    with running_second_stack("limited", shards=1) as found:
        yield seeded(found.topology)
