"""Timed requests, and the metrics of the processes during them."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from devstack import fault_injection
from devstack.fault_proxy.model import StoreFault
from devstack.seed.signed_in_users import SignedInUser
from gateway.xds.mesh import ServiceFault
from tests.stack import StackHandle
from tests.waiting import BUSY_MACHINE_MARGIN_S

ME = "/api/v1/users/me"
READ_TIMEOUT_S = 1.0
SUBMIT_TIMEOUT_S = 3.0
"""The deadlines of the contracts."""
READABLE_ERRORS = {(503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")}


@dataclass(frozen=True)
class TimedResponse:
    """An answer and how long it took, in seconds."""

    answer: httpx.Response
    took_s: float

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def reason(self) -> str:
        """The contract's reason of an error."""
        [reason] = [each["reason"] for each in self.answer.json()["details"] if "reason" in each]
        return str(reason)

    @property
    def is_fresh(self) -> bool:
        return self.status == 200 and "x-stale" not in self.answer.headers


def is_readable_error(timed: TimedResponse) -> bool:
    """Return whether the error is readable for a client, and says when to retry where that may help."""
    told = (timed.status, timed.reason) in READABLE_ERRORS
    return told and (timed.status != 503 or int(timed.answer.headers["retry-after"]) > 0)


@contextmanager
def fault_in_force(stack: StackHandle, target: str, fault: StoreFault | ServiceFault) -> Iterator[None]:
    """Keep the fault in force for the block, and not after it."""
    fault_injection.set_fault(stack.topology, target, fault)
    try:
        yield
    finally:
        fault_injection.clear_faults(stack.topology, target)


def read_timed(
    client: httpx.Client, path: str, *, member: SignedInUser | None = None, within_s: float = READ_TIMEOUT_S
) -> TimedResponse:
    """Read, as another user if need be; assert that the answer came in time."""
    return _time_request(lambda: client.get(path, headers=member.headers if member else {}), within_s)


def submit_timed(
    client: httpx.Client, listing_id: str, *, member: SignedInUser | None = None, key: str | None = None
) -> TimedResponse:
    """Apply, as another user if need be; assert that the answer came in time."""
    headers = (member.headers if member else {}) | {"idempotency-key": key or str(uuid.uuid4())}
    body = {"internshipId": listing_id}
    return _time_request(
        lambda: client.post("/api/v1/applications", json=body, headers=headers), SUBMIT_TIMEOUT_S
    )


def sum_metric(stack: StackHandle, service: str, name: str, *, role: str = "serve", **labels: str) -> float:
    """Return the sum of the samples whose labels begin like this."""
    text = httpx.get(f"{stack.ops_url(service, role)}/metrics", trust_env=False).text
    wanted = [f'{label}="{value}' for label, value in labels.items()]
    rows = [row for row in text.splitlines() if row.startswith((f"{name}{{", f"{name} "))]
    return sum(float(row.rpartition(" ")[2]) for row in rows if all(each in row for each in wanted))


def _time_request(ask: Callable[[], httpx.Response], within_s: float) -> TimedResponse:
    began = time.monotonic()
    answer = ask()
    took_s = time.monotonic() - began
    assert took_s < within_s + BUSY_MACHINE_MARGIN_S, (
        f"{answer.request.url} took {took_s:.2f} s: {answer.text[:300]}"
    )
    return TimedResponse(answer, took_s)
