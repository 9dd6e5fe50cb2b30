"""Whether everybody was told of everything that happened, once, and got a mail of it."""

import re
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from ops.chaos.ledger import Finding
from ops.chaos.truth import Document, Truth, read
from ops.seed.people import Member
from ops.stack.topology import Topology
from services.notification.domain.contents import ApplicationNotSelected
from services.notification.domain.notices import (
    Application,
    Move,
    Notices,
    ToAddress,
    ToCompany,
    of_move,
    of_submission,
)

MAILED_WITHIN_S: Final = 150.0
"""A mail that failed three times is tried again two minutes later."""
LOOK_AGAIN_S: Final = 2.0
MOST_OF_ONE: Final = 5_000
_NOTIFICATION: Final = re.compile(r"<(ntf_\w+)@")
_TOLD_LATER: Final = frozenset({ApplicationNotSelected.template})
"""A rejection is disclosed long after the run."""

Told = Counter[tuple[str, str]]
"""How often somebody was told something: by user and template."""


@dataclass
class Mailbox:
    """What came, by notification: the mails' Message-IDs are made of it. A repeat has the same one."""

    url: str
    copies: Counter[str] = field(default_factory=Counter)
    _seen: set[int] = field(default_factory=set)

    def look(self, addresses: Collection[str]) -> None:
        """Takes in what came to these addresses since the last look."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=10.0) as client:
            for address in addresses:
                parameters: Mapping[str, Any] = {"to": address, "limit": MOST_OF_ONE}
                for mail in client.get("/mails", params=parameters).json()["mails"]:
                    if mail["id"] not in self._seen:
                        self._seen.add(mail["id"])
                        headers = client.get(f"/mails/{mail['id']}").json()["headers"]
                        self.copies.update(_NOTIFICATION.findall(" ".join(headers.get("Message-ID", ()))))


def await_told(topology: Topology, truth: Truth, people: Sequence[Member]) -> tuple[Mailbox, list[Finding]]:
    """What still is wrong two minutes and a half later, if anything is; and what is in the mailbox."""
    until = time.monotonic() + MAILED_WITHIN_S
    owners = {each.principal.org: each.principal.id for each in people if each.principal.org}
    recipients = {"recipient_id": {"$in": [each.principal.id for each in people]}}
    mailbox = Mailbox(topology.mailbox_url)
    while True:
        notifications = read(topology, "notification", "notifications", recipients)
        mailbox.look([each.email for each in people])
        left = untold(truth, notifications.values(), owners, mailbox.copies)
        if not left or time.monotonic() > until:
            return mailbox, left
        time.sleep(LOOK_AGAIN_S)


def untold(
    truth: Truth,
    notifications: Collection[Document],
    owners: Mapping[str, str],
    mailed: Mapping[str, int],
) -> list[Finding]:
    """Where what people were told of the applications is not what their histories say, or came as no mail.

    `owners`: by company, who is told what it learns. `mailed`: by notification, how many mails there are.
    """
    told: dict[str, Told] = {id_: Counter() for id_ in truth.applications}
    for each in notifications:
        if each["about"] in told and each["template"] not in _TOLD_LATER:
            told[each["about"]][each["recipient_id"], each["template"]] += 1
    findings = [
        Finding(f"{user} was told of {template} {told[id_][user, template]} times instead of {count}", id_)
        for id_, application in truth.applications.items()
        for (user, template), count in _differing(to_be_told(application, owners), told[id_])
    ]
    unmailed = [each for each in notifications if each["about"] in told and not mailed.get(each["_id"])]
    return findings + [Finding(f"no mail came of {each['template']}", each["about"]) for each in unmailed]


def to_be_told(application: Document, owners: Mapping[str, str]) -> Told:
    """Whom an application's history, one event after the other, tells what, by the service's own table."""
    facts = Application(
        id=application["_id"],
        student_id=application["student_id"],
        student_name="",
        student_headline="",
        internship_title="",
        company_id=application["company_id"],
        company_name="",
    )
    wanted: Told = Counter()
    for entry in application["history"]:
        wanted.update(_readers(_notices(facts, entry, application.get("closed_reason") or ""), owners))
    return wanted


def _notices(facts: Application, entry: Document, closed_reason: str) -> Notices:
    if entry["source"] == "DRAFT":
        return of_submission(facts)
    move = Move(
        application=facts,
        from_state=entry["source"],
        to_state=entry["target"],
        actor=entry["actor"],
        closed_reason=closed_reason if entry["target"] == "CLOSED" else "",
    )
    return of_move(move)


def _readers(notices: Notices, owners: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for notice in notices:
        audience = notice.audience
        if notice.only_after is None and not isinstance(audience, ToAddress):
            user = owners[audience.company_id] if isinstance(audience, ToCompany) else audience.user_id
            found.append((user, notice.content.template))
    return found


def _differing(wanted: Told, told: Told) -> list[tuple[tuple[str, str], int]]:
    return [(key, wanted[key]) for key in sorted({*wanted, *told}) if wanted[key] != told[key]]
