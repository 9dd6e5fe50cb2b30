"""What people were told has to follow from the applications' histories, once each, and each by a mail."""

from typing import Any

import pytest

from ops.chaos.ledger import Finding
from ops.chaos.mails import to_be_told, untold
from ops.chaos.truth import Truth

STUDENT, OWNER, COMPANY = "usr_1", "usr_owner", "cmp_1"
OWNERS = {COMPANY: OWNER}
Record = dict[str, Any]


def entry(actor: str, source: str, target: str) -> Record:
    return {"actor": actor, "source": source, "target": target}


REVIEWED = [entry("STUDENT", "DRAFT", "SUBMITTED"), entry("COMPANY", "SUBMITTED", "IN_REVIEW")]
TOLD = [
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


def found(told: list[tuple[str, str]], *, unmailed: int | None = None) -> list[Finding]:
    truth = Truth({}, {"app_1": application(REVIEWED)}, {}, {})
    entries = notifications(told)
    mailed = {each["_id"]: 1 for number, each in enumerate(entries) if number != unmailed}
    return untold(truth, entries, OWNERS, mailed)


def test_people_who_were_told_and_mailed_everything_once_are_no_finding() -> None:
    assert found(TOLD) == []


@pytest.mark.parametrize("missing", range(len(TOLD)))
def test_what_somebody_was_not_told_is_found(missing: int) -> None:
    [finding] = found(TOLD[:missing] + TOLD[missing + 1 :])
    user, template = TOLD[missing]
    assert finding == Finding(f"{user} was told of {template} 0 times instead of 1", "app_1")


def test_what_somebody_was_told_twice_is_found() -> None:
    [finding] = found([*TOLD, TOLD[1]])
    assert finding.what == f"{OWNER} was told of new_applicant 2 times instead of 1"


def test_what_nobody_should_have_been_told_is_found() -> None:
    [finding] = found([*TOLD, (STUDENT, "application_offer")])
    assert finding.what == f"{STUDENT} was told of application_offer 1 times instead of 0"


def test_a_notification_without_its_mail_is_found() -> None:
    assert found(TOLD, unmailed=2) == [Finding("no mail came of application_in_review", "app_1")]


def test_mails_of_other_things_and_the_disclosure_of_a_rejection_are_no_concern() -> None:
    other = {"_id": "ntf_9", "recipient_id": STUDENT, "template": "application_received", "about": "app_9"}
    entries = notifications([*TOLD, (STUDENT, "application_not_selected")])
    truth = Truth({}, {"app_1": application(REVIEWED)}, {}, {})
    assert untold(truth, [*entries, other], OWNERS, {each["_id"]: 1 for each in entries}) == []


def test_a_student_is_not_told_of_their_own_withdrawal_and_of_no_rejection() -> None:
    left = [*REVIEWED, entry("STUDENT", "IN_REVIEW", "WITHDRAWN")]
    assert set(to_be_told(application(left), OWNERS)) == {*TOLD, (OWNER, "application_withdrawn")}
    rejected = [*REVIEWED, entry("COMPANY", "IN_REVIEW", "REJECTED")]
    assert set(to_be_told(application(rejected), OWNERS)) == set(TOLD)
