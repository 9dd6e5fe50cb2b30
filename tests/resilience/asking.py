"""Asking with a stopwatch, and what the processes show meanwhile."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from gateway.control_plane.mesh import Fault
from ops.faults.model import StoreFault
from ops.seed.people import Member
from ops.stack import faults
from tests.stack import Stack
from tests.waiting import BUSY_S

ME = "/api/v1/users/me"
READ_WITHIN_S = 1.0
SUBMIT_WITHIN_S = 3.0
"""The deadlines of the contracts."""
TOLD = {(503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")}


@dataclass(frozen=True)
class Timed:
    """An answer and how long it took, in seconds."""

    answer: httpx.Response
    took_s: float

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def reason(self) -> str:
        """The contract's, of an error."""
        [reason] = [each["reason"] for each in self.answer.json()["details"] if "reason" in each]
        return str(reason)

    @property
    def is_fresh(self) -> bool:
        return self.status == 200 and "x-stale" not in self.answer.headers


def is_told(timed: Timed) -> bool:
    """Whether the error is one that a client can read, and tells when to try again where that may help."""
    told = (timed.status, timed.reason) in TOLD
    return told and (timed.status != 503 or int(timed.answer.headers["retry-after"]) > 0)


@contextmanager
def disturbed(stack: Stack, target: str, fault: StoreFault | Fault) -> Iterator[None]:
    """The fault is in force in the block, and no longer after it."""
    faults.set_fault(stack.topology, target, fault)
    try:
        yield
    finally:
        faults.clear(stack.topology, target)


def read(
    client: httpx.Client, path: str, *, member: Member | None = None, within_s: float = READ_WITHIN_S
) -> Timed:
    """Reads, as somebody else if need be; the answer came in time."""
    return _timed(lambda: client.get(path, headers=member.headers if member else {}), within_s)


def submit(
    client: httpx.Client, listing_id: str, *, member: Member | None = None, key: str | None = None
) -> Timed:
    """Applies, as somebody else if need be; the answer came in time."""
    headers = (member.headers if member else {}) | {"idempotency-key": key or str(uuid.uuid4())}
    body = {"internshipId": listing_id}
    return _timed(lambda: client.post("/api/v1/applications", json=body, headers=headers), SUBMIT_WITHIN_S)


def metric(stack: Stack, service: str, name: str, *, role: str = "serve", **labels: str) -> float:
    """The sum of the samples whose labels begin like this."""
    text = httpx.get(f"{stack.ops_url(service, role)}/metrics", trust_env=False).text
    wanted = [f'{label}="{value}' for label, value in labels.items()]
    rows = [row for row in text.splitlines() if row.startswith((f"{name}{{", f"{name} "))]
    return sum(float(row.rpartition(" ")[2]) for row in rows if all(each in row for each in wanted))


def _timed(ask: Callable[[], httpx.Response], within_s: float) -> Timed:
    began = time.monotonic()
    answer = ask()
    took_s = time.monotonic() - began
    assert took_s < within_s + BUSY_S, f"{answer.request.url} took {took_s:.2f} s: {answer.text[:300]}"
    return Timed(answer, took_s)
