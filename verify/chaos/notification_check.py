"""Checks that every event led to its notifications, each once, with a mail."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from devstack.seed.signed_in_users import SignedInUser
from devstack.topology import Topology
from ops.waiting import wait_until
from services.notification.domain.contents import ApplicationNotSelected
from services.notification.domain.notices import (
    ApplicationFacts,
    ApplicationMove,
    Notices,
    ToAddress,
    ToCompany,
    move_notices,
    submission_notices,
)
from verify.chaos.operation_log import InvariantViolation
from verify.chaos.stored_state import Document, StoredState, read_documents

MAIL_TIMEOUT_S: Final = 150.0
"""A mail that failed three times is retried two minutes later."""
POLL_INTERVAL_S: Final = 2.0
MAX_MAILS_PER_USER: Final = 5_000
_NOTIFICATION_ID: Final = re.compile(r"<(ntf_\w+)@")
_DELAYED_TEMPLATES: Final = frozenset({ApplicationNotSelected.template})
"""A rejection is disclosed long after the run."""

NotificationCounts = Counter[tuple[str, str]]
"""The number of notifications, by user and template."""


@dataclass
class ReceivedMails:
    """The received mails by notification, whose ID their Message-ID holds. A repeat has the same one."""

    url: str
    copies: Counter[str] = field(default_factory=Counter)
    _seen: set[int] = field(default_factory=set)

    def look(self, addresses: Collection[str]) -> None:
        """Read the mails to these addresses since the last call."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=10.0) as client:
            for address in addresses:
                parameters: Mapping[str, Any] = {"to": address, "limit": MAX_MAILS_PER_USER}
                for mail in client.get("/mails", params=parameters).json()["mails"]:
                    if mail["id"] not in self._seen:
                        self._seen.add(mail["id"])
                        headers = client.get(f"/mails/{mail['id']}").json()["headers"]
                        self.copies.update(_NOTIFICATION_ID.findall(" ".join(headers.get("Message-ID", ()))))


def wait_for_notifications(
    topology: Topology, stored_state: StoredState, people: Sequence[SignedInUser]
) -> tuple[ReceivedMails, list[InvariantViolation]]:
    """Return the received mails, and the violations that remain after two and a half minutes."""
    owners = {each.principal.org: each.principal.id for each in people if each.principal.org}
    recipients = {"recipient_id": {"$in": [each.principal.id for each in people]}}
    mailbox = ReceivedMails(topology.mailbox_url)

    def find_missing() -> list[InvariantViolation]:
        notifications = read_documents(topology, "notification", "notifications", recipients)
        mailbox.look([each.email for each in people])
        return find_missing_notifications(stored_state, notifications.values(), owners, mailbox.copies)

    return mailbox, wait_until(
        find_missing, timeout_s=MAIL_TIMEOUT_S, interval_s=POLL_INTERVAL_S, is_done=lambda left: not left
    )


def find_missing_notifications(
    stored_state: StoredState,
    notifications: Collection[Document],
    owners: Mapping[str, str],
    mailed: Mapping[str, int],
) -> list[InvariantViolation]:
    """Return violations where notifications of applications differ from their histories, or lack a mail.

    `owners`: by company, the user who gets its notifications. `mailed`: by notification, the number of mails.
    """
    told: dict[str, NotificationCounts] = {id_: Counter() for id_ in stored_state.applications}
    for each in notifications:
        if each["about"] in told and each["template"] not in _DELAYED_TEMPLATES:
            told[each["about"]][each["recipient_id"], each["template"]] += 1
    violations = [
        InvariantViolation(
            f"{user} was told of {template} {told[id_][user, template]} times instead of {count}", id_
        )
        for id_, application in stored_state.applications.items()
        for (user, template), count in _differing_counts(
            expected_notifications(application, owners), told[id_]
        )
    ]
    unmailed = [each for each in notifications if each["about"] in told and not mailed.get(each["_id"])]
    return violations + [
        InvariantViolation(f"no mail came of {each['template']}", each["about"]) for each in unmailed
    ]


def expected_notifications(application: Document, owners: Mapping[str, str]) -> NotificationCounts:
    """Return the notifications of an application's history, by the service's own table."""
    facts = ApplicationFacts(
        id=application["_id"],
        student_id=application["student_id"],
        student_name="",
        student_headline="",
        internship_title="",
        company_id=application["company_id"],
        company_name="",
    )
    wanted: NotificationCounts = Counter()
    for entry in application["history"]:
        wanted.update(
            _notice_recipients(
                _expected_notices(facts, entry, application.get("closed_reason") or ""), owners
            )
        )
    return wanted


def _expected_notices(facts: ApplicationFacts, entry: Document, closed_reason: str) -> Notices:
    if entry["source"] == "DRAFT":
        return submission_notices(facts)
    move = ApplicationMove(
        application=facts,
        from_state=entry["source"],
        to_state=entry["target"],
        actor=entry["actor"],
        closed_reason=closed_reason if entry["target"] == "CLOSED" else "",
    )
    return move_notices(move)


def _notice_recipients(notices: Notices, owners: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for notice in notices:
        audience = notice.audience
        if notice.requires_earlier is None and not isinstance(audience, ToAddress):
            user = owners[audience.company_id] if isinstance(audience, ToCompany) else audience.user_id
            found.append((user, notice.content.template))
    return found


def _differing_counts(
    wanted: NotificationCounts, told: NotificationCounts
) -> list[tuple[tuple[str, str], int]]:
    return [(key, wanted[key]) for key in sorted({*wanted, *told}) if wanted[key] != told[key]]
