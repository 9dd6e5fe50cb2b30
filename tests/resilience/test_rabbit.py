"""While the broker does not answer calls go on, and afterwards everybody is told, once."""

import asyncio
import re
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
_APPLICATION = re.compile(r"/applications/(app_\w+)")


def test_applications_while_the_broker_hangs_succeed_and_their_mails_come_afterwards_once_each(
    stack: Stack, crowd: Crowd, client: httpx.Client
) -> None:
    owners, listings = crowd.owners[:2], asyncio.run(crowd.post_listings())[:2]
    expected: Counter[tuple[str, str]] = Counter()
    faults.set_fault(stack.topology, "rabbit", StoreFault(kind="hang", until=time.time() + HANGS_S))
    for student in crowd.students:
        for owner, listing in zip(owners, listings, strict=True):
            applied = submit(client, listing, member=student)
            assert applied.status == 200, applied.answer.text
            expected.update((email, applied.answer.json()["id"]) for email in (student.email, owner.email))
    assert faults.in_force(stack.topology), "the applications took longer than the fault"
    assert not expected.keys() & _mails(stack, crowd).keys()
    awaited(lambda: expected.keys() <= _mails(stack, crowd).keys() or None, "a mail to everybody")
    await_true(lambda: _waiting(stack) == 0, "all events to be handled", within_s=20)
    mailed = _mails(stack, crowd)
    assert {key: mailed[key] for key in expected} == expected


def _waiting(stack: Stack) -> int:
    return provision.waiting_events(stack.topology, stack.credentials)


def _mails(stack: Stack, crowd: Crowd) -> Counter[tuple[str, str]]:
    """How many mails each person of the crowd has about which application."""
    found: Counter[tuple[str, str]] = Counter()
    for person in (*crowd.students, *crowd.owners):
        for mail in stack.mails(person.email):
            about = _APPLICATION.search(" ".join(mail["links"]))
            if about:
                found[person.email, about[1]] += 1
    return found
