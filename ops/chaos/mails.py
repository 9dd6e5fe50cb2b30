"""Whether each application's mail was sent, and not twice."""

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from ops.chaos.ledger import Ledger
from ops.chaos.truth import Finding
from ops.seed.people import Member
from ops.stack.topology import Topology

MAILED_WITHIN_S: Final = 60.0
LOOK_AGAIN_S: Final = 2.0
MOST_OF_ONE: Final = 200
_APPLICATION: Final = re.compile(r"/applications/(app_\w+)")


def unmailed(topology: Topology, ledger: Ledger, students: Sequence[Member]) -> list[Finding]:
    """The acknowledged applications whose student has no mail about them a minute later, or the same twice.

    A mail that was handed over while its sender was killed may come twice; it then has the same Message-ID,
    and mail programs show it once. So does this.
    """
    address_of = {student.principal.id: student.email for student in students}
    wanted = {deed.subject: address_of[deed.who] for deed in ledger.acknowledged("apply")}
    until = time.monotonic() + MAILED_WITHIN_S
    while True:
        about = _mails_about(topology, set(wanted.values()))
        missing = [id_ for id_, address in wanted.items() if not about[address, id_]]
        if not missing or time.monotonic() > until:
            return [Finding("its student was not mailed", id_) for id_ in missing]
        time.sleep(LOOK_AGAIN_S)


def _mails_about(topology: Topology, addresses: set[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    with httpx.Client(base_url=topology.mailbox_url, trust_env=False, timeout=10.0) as client:
        for address in addresses:
            parameters: Mapping[str, Any] = {"to": address, "limit": MOST_OF_ONE}
            for mail in client.get("/mails", params=parameters).json()["mails"]:
                links = " ".join(client.get(f"/mails/{mail['id']}").json()["links"])
                about = _APPLICATION.search(links)
                found[address, about[1] if about else ""] += 1
    return found
