"""While the broker does not answer calls go on, and afterwards everybody is told, once."""

import asyncio
import time
from collections import Counter

import httpx
import pytest

from ops.faults.model import StoreFault
from ops.stack import faults, provision
from tests.faults.crowd import Crowd, awaited
from tests.resilience.asking import submit
from tests.stack import Stack, await_true

pytestmark = pytest.mark.timeout(120)

HANGS_S = 10.0


def test_applications_while_the_broker_hangs_succeed_and_their_mails_come_afterwards_once_each(
    stack: Stack, crowd: Crowd, client: httpx.Client
) -> None:
    listings = asyncio.run(crowd.post_listings())[:2]
    await_true(lambda: _waiting(stack) == 0, "earlier events to be handled", within_s=20)
    _forget_mails(stack)
    faults.set_fault(stack.topology, "rabbit", StoreFault(kind="hang", until=time.time() + HANGS_S))
    for student in crowd.students:
        for listing in listings:
            applied = submit(client, listing, member=student)
            assert applied.status == 200, applied.answer.text
    assert faults.in_force(stack.topology), "the applications took longer than the fault"
    assert _mails(stack) == Counter()
    addresses = [each.email for each in (*crowd.students, *crowd.owners[:2])]
    awaited(lambda: _mails(stack).keys() >= set(addresses) or None, "mails to everybody")
    expected = Counter({student.email: len(listings) for student in crowd.students})
    expected += Counter({owner.email: len(crowd.students) for owner in crowd.owners[:2]})
    awaited(lambda: _mails(stack) >= expected or None, "all mails")
    await_true(lambda: _waiting(stack) == 0, "all events to be handled", within_s=20)
    assert _mails(stack) == expected


def _waiting(stack: Stack) -> int:
    return provision.waiting_events(stack.topology, stack.credentials)


def _mails(stack: Stack) -> Counter[str]:
    answer = httpx.get(f"{stack.mailbox_url}/mails", params={"limit": 5000}, trust_env=False)
    return Counter(to for mail in answer.raise_for_status().json()["mails"] for to in mail["to"])


def _forget_mails(stack: Stack) -> None:
    httpx.delete(f"{stack.mailbox_url}/mails", trust_env=False).raise_for_status()
