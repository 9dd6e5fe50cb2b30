"""Notifications have to follow from the applications' histories, once each, and each by a mail."""

from typing import Any

import pytest

from verify.chaos.notification_check import expected_notifications, find_missing_notifications
from verify.chaos.operation_log import InvariantViolation
from verify.chaos.stored_state import StoredState

STUDENT, OWNER, COMPANY = "usr_1", "usr_owner", "cmp_1"
OWNERS = {COMPANY: OWNER}
Record = dict[str, Any]


def entry(actor: str, source: str, target: str) -> Record:
    return {"actor": actor, "source": source, "target": target}


REVIEWED = [entry("STUDENT", "DRAFT", "SUBMITTED"), entry("COMPANY", "SUBMITTED", "IN_REVIEW")]
EXPECTED_NOTIFICATIONS = [
    (STUDENT, "application_received"),
    (OWNER, "new_applicant"),
    (STUDENT, "application_in_review"),
]


def application(history: list[Record]) -> Record:
    return {
        "_id": "app_1",
        "student_id": STUDENT,
        "company_id": COMPANY,
        "history": history,
        "closed_reason": None,
    }


def notifications(told: list[tuple[str, str]]) -> list[Record]:
    return [
        {"_id": f"ntf_{number}", "recipient_id": user, "template": template, "about": "app_1"}
        for number, (user, template) in enumerate(told)
    ]


def found(told: list[tuple[str, str]], *, unmailed: int | None = None) -> list[InvariantViolation]:
    stored_state = StoredState({}, {"app_1": application(REVIEWED)}, {}, {})
    entries = notifications(told)
    mailed = {each["_id"]: 1 for number, each in enumerate(entries) if number != unmailed}
    return find_missing_notifications(stored_state, entries, OWNERS, mailed)


def test_people_who_were_notified_and_mailed_once_are_no_finding() -> None:
    assert found(EXPECTED_NOTIFICATIONS) == []


@pytest.mark.parametrize("missing", range(len(EXPECTED_NOTIFICATIONS)))
def test_a_missing_notification_is_found(missing: int) -> None:
    [violation] = found(EXPECTED_NOTIFICATIONS[:missing] + EXPECTED_NOTIFICATIONS[missing + 1 :])
    user, template = EXPECTED_NOTIFICATIONS[missing]
    assert violation == InvariantViolation(f"{user} was told of {template} 0 times instead of 1", "app_1")


def test_a_doubled_notification_is_found() -> None:
    [violation] = found([*EXPECTED_NOTIFICATIONS, EXPECTED_NOTIFICATIONS[1]])
    assert violation.description == f"{OWNER} was told of new_applicant 2 times instead of 1"


def test_an_undue_notification_is_found() -> None:
    [violation] = found([*EXPECTED_NOTIFICATIONS, (STUDENT, "application_offer")])
    assert violation.description == f"{STUDENT} was told of application_offer 1 times instead of 0"


def test_a_notification_without_its_mail_is_found() -> None:
    assert found(EXPECTED_NOTIFICATIONS, unmailed=2) == [
        InvariantViolation("no mail came of application_in_review", "app_1")
    ]


def test_mails_of_other_things_and_the_disclosure_of_a_rejection_are_no_concern() -> None:
    other = {"_id": "ntf_9", "recipient_id": STUDENT, "template": "application_received", "about": "app_9"}
    entries = notifications([*EXPECTED_NOTIFICATIONS, (STUDENT, "application_not_selected")])
    stored_state = StoredState({}, {"app_1": application(REVIEWED)}, {}, {})
    assert (
        find_missing_notifications(
            stored_state, [*entries, other], OWNERS, {each["_id"]: 1 for each in entries}
        )
        == []
    )


def test_a_student_is_not_notified_of_their_own_withdrawal_or_of_a_rejection() -> None:
    left = [*REVIEWED, entry("STUDENT", "IN_REVIEW", "WITHDRAWN")]
    assert set(expected_notifications(application(left), OWNERS)) == {
        *EXPECTED_NOTIFICATIONS,
        (OWNER, "application_withdrawn"),
    }
    rejected = [*REVIEWED, entry("COMPANY", "IN_REVIEW", "REJECTED")]
    assert set(expected_notifications(application(rejected), OWNERS)) == set(EXPECTED_NOTIFICATIONS)
