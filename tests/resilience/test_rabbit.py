"""While the broker does not answer calls go on, and afterwards everybody is notified, once."""

import asyncio
import re
import time
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest

from devstack import fault_injection
from devstack.fault_proxy.model import StoreFault
from ops import provision
from tests.faults.user_pool import UserPool
from tests.resilience.timed_requests import submit_timed
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(120)]

HANG_S = 10.0
STUDENTS = 12
MAIL_TIMEOUT_S = HANG_S + WAIT_TIMEOUT_S
"""A batch of events that was not confirmed in time is sent again after a pause."""
_APPLICATION = re.compile(r"/applications/(app_\w+)")


def test_applications_while_the_broker_hangs_succeed_and_their_mails_come_afterwards_once_each(
    stack: StackHandle, crowd: UserPool, client: httpx.Client
) -> None:
    owners, listings = crowd.owners[:2], asyncio.run(crowd.post_listings())[:2]
    expected: Counter[tuple[str, str]] = Counter()
    mailed = MailCounter(stack)
    fault_injection.set_fault(stack.topology, "rabbit", StoreFault(kind="hang", until=time.time() + HANG_S))
    for student in crowd.students[:STUDENTS]:
        for owner, listing in zip(owners, listings, strict=True):
            applied = submit_timed(client, listing, member=student)
            assert applied.status == 200, applied.answer.text
            expected.update((email, applied.answer.json()["id"]) for email in (student.email, owner.email))
    assert fault_injection.read_active_faults(stack.topology), "the applications took longer than the fault"
    assert not expected.keys() & mailed.counted().keys()
    everybody = "a mail to everybody"
    wait_until_blocking(
        lambda: expected.keys() <= mailed.counted().keys(), everybody, within_s=MAIL_TIMEOUT_S
    )
    wait_until_blocking(lambda: _waiting(stack) == 0, "all events to be handled")
    found = mailed.counted()
    assert {key: found[key] for key in expected} == expected


def _waiting(stack: StackHandle) -> int:
    return provision.count_waiting_messages(stack.cluster)


class MailCounter:
    """Counts mails from now on; each mail is read once."""

    def __init__(self, stack: StackHandle) -> None:
        self._url = f"{stack.mailbox_url}/mails"
        self._since = datetime.now(UTC).isoformat()
        self._about: dict[int, tuple[str, str]] = {}

    def counted(self) -> Counter[tuple[str, str]]:
        """Return the number of mails by address and application."""
        with httpx.Client(trust_env=False) as client:
            listed = client.get(self._url, params={"since": self._since, "limit": 5000}).json()["mails"]
            for mail in listed:
                if mail["id"] not in self._about:
                    links = " ".join(client.get(f"{self._url}/{mail['id']}").json()["links"])
                    about = _APPLICATION.search(links)
                    self._about[mail["id"]] = (mail["to"][0], about[1] if about else "")
        return Counter(self._about.values())
