"""The audience table: who learns what from which event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.notification.domain import account_notices, notices
from services.notification.domain import contents as c
from services.notification.domain.notices import (
    ApplicationFacts,
    ApplicationMove,
    ListingChange,
    Notices,
    ToAddress,
    ToCompany,
    ToUser,
    is_too_old_to_notify,
)

SOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
STUDENT, COMPANY = "usr_student", "cmp_acme"
STATES = tuple(notices._STATUS_BY_STATE)

APPLICATION = ApplicationFacts(
    id="app_1",
    student_id=STUDENT,
    student_name="Ada",
    student_headline="Mathematician",
    internship_title="Engines",
    company_id=COMPANY,
    company_name="Acme",
)


def move(from_state: str, to_state: str, actor: str = "COMPANY", closed_reason: str = "") -> Notices:
    return notices.move_notices(
        ApplicationMove(
            application=APPLICATION,
            from_state=from_state,
            to_state=to_state,
            actor=actor,
            closed_reason=closed_reason,
            offer_expire_time=SOON if to_state == "OFFERED" else None,
        )
    )


def notified_recipients(all_notices: Notices) -> dict[object, type[c.NotificationContent]]:
    return {each.audience: type(each.content) for each in all_notices}


@pytest.mark.parametrize(
    ("from_state", "to_state", "actor", "student", "company"),
    [
        ("SUBMITTED", "IN_REVIEW", "COMPANY", c.ApplicationInReview, None),
        ("SUBMITTED", "SHORTLISTED", "COMPANY", c.ApplicationInReview, None),
        ("IN_REVIEW", "SHORTLISTED", "COMPANY", None, None),
        ("SHORTLISTED", "WAITLISTED", "COMPANY", None, None),
        ("IN_REVIEW", "ASSESSMENT", "COMPANY", c.ApplicationTask, None),
        ("ASSESSMENT", "INTERVIEW", "COMPANY", c.ApplicationInterview, None),
        ("INTERVIEW", "ASSESSMENT", "COMPANY", c.ApplicationTask, None),
        ("INTERVIEW", "SHORTLISTED", "COMPANY", c.ApplicationChanged, None),
        ("INTERVIEW", "OFFERED", "COMPANY", c.ApplicationOffer, None),
        ("OFFERED", "WAITLISTED", "COMPANY", c.ApplicationChanged, None),
        ("OFFERED", "REJECTED", "COMPANY", None, None),
        ("OFFERED", "HIRED", "STUDENT", c.ApplicationHired, c.OfferAccepted),
        ("OFFERED", "WITHDRAWN", "STUDENT", None, c.OfferDeclined),
        ("HIRED", "WITHDRAWN", "STUDENT", None, c.HireGivenUp),
        ("HIRED", "OFFERED", "COMPANY", c.ApplicationChanged, None),
        ("INTERVIEW", "WITHDRAWN", "STUDENT", None, c.ApplicationWithdrawn),
        ("IN_REVIEW", "REJECTED", "COMPANY", None, None),
        ("CLOSED", "IN_REVIEW", "COMPANY", c.ApplicationChanged, None),
    ],
)
def test_each_move_notifies_the_people_concerned(
    from_state: str,
    to_state: str,
    actor: str,
    student: type[c.NotificationContent] | None,
    company: type[c.NotificationContent] | None,
) -> None:
    expected = {ToUser(STUDENT): student, ToCompany(COMPANY): company}
    assert notified_recipients(move(from_state, to_state, actor)) == {
        who: what for who, what in expected.items() if what
    }


@pytest.mark.parametrize(
    ("reason", "student", "company"),
    [
        ("LISTING_ENDED", c.ApplicationClosed, None),
        ("LISTING_FILLED", c.ApplicationClosed, None),
        ("LISTING_ARCHIVED", c.ApplicationClosed, None),
        ("NO_RESPONSE", c.ApplicationClosed, None),
        ("COMPANY_SUSPENDED", c.ApplicationClosed, None),
        ("OFFER_EXPIRED", c.ApplicationClosed, c.OfferExpired),
    ],
)
def test_a_closing_notifies_by_its_reason(
    reason: str, student: type[c.NotificationContent] | None, company: type[c.NotificationContent] | None
) -> None:
    expected = {ToUser(STUDENT): student, ToCompany(COMPANY): company}
    found = notified_recipients(move("OFFERED", "CLOSED", "SYSTEM", reason))
    assert found == {who: what for who, what in expected.items() if what}


def test_each_reason_of_closing_has_words_of_its_own() -> None:
    texts = set()
    for reason in notices._CLOSED_REASON_TEXTS:
        (content,) = [each.content for each in move("IN_REVIEW", "CLOSED", "SYSTEM", reason)][:1]
        assert isinstance(content, c.ApplicationClosed)
        texts.add(content.reason)
    assert len(texts) == len(notices._CLOSED_REASON_TEXTS)


@pytest.mark.parametrize("from_state", STATES)
def test_no_move_to_rejected_notifies_anybody(from_state: str) -> None:
    assert move(from_state, "REJECTED") == ()


@pytest.mark.parametrize("to_state", ["SUBMITTED", "IN_REVIEW", "SHORTLISTED", "INTERVIEW", "OFFERED"])
def test_an_undone_rejection_is_notified_only_to_a_student_who_was_notified_of_it(to_state: str) -> None:
    (notice,) = move("REJECTED", to_state)
    assert notice.requires_earlier is c.ApplicationNotSelected
    assert isinstance(notice.content, c.ApplicationChanged)


@pytest.mark.parametrize("to_state", STATES)
@pytest.mark.parametrize("from_state", STATES)
@pytest.mark.parametrize("actor", ["STUDENT", "COMPANY", "SYSTEM"])
def test_every_pair_of_states_has_an_answer(from_state: str, to_state: str, actor: str) -> None:
    assert len(move(from_state, to_state, actor)) <= 2


def test_an_offer_names_its_expiry() -> None:
    (notice,) = move("INTERVIEW", "OFFERED")
    assert isinstance(notice.content, c.ApplicationOffer)
    assert notice.content.expire_time == SOON


def test_a_submission_is_confirmed_to_the_student_and_notified_to_the_company() -> None:
    assert notified_recipients(notices.submission_notices(APPLICATION)) == {
        ToUser(STUDENT): c.ApplicationReceived,
        ToCompany(COMPANY): c.NewApplicant,
    }


def test_a_disclosed_rejection_is_notified_to_the_student_only() -> None:
    assert notified_recipients(notices.disclosed_rejection_notices(APPLICATION)) == {
        ToUser(STUDENT): c.ApplicationNotSelected
    }


def test_security_mails_go_to_the_address_of_the_event_or_of_the_account() -> None:
    assert notified_recipients(account_notices.verification_notices("usr_1", "a@b.c", "123456", SOON)) == {
        ToAddress("usr_1", "a@b.c"): c.VerificationCode
    }
    assert notified_recipients(account_notices.repeated_registration_notices("usr_1", "a@b.c")) == {
        ToAddress("usr_1", "a@b.c"): c.RegistrationRepeated
    }
    assert notified_recipients(account_notices.compromised_session_notices("usr_1", "App", "", SOON)) == {
        ToUser("usr_1"): c.SessionCompromised
    }
    assert notified_recipients(
        account_notices.password_reset_notices("usr_1", "a@b.c", "12345678", SOON)
    ) == {ToAddress("usr_1", "a@b.c"): c.PasswordResetCode}
    assert notified_recipients(account_notices.replaced_password_notices("usr_1", "a@b.c")) == {
        ToAddress("usr_1", "a@b.c"): c.PasswordReplaced
    }


def test_without_a_code_no_mail_is_sent() -> None:
    assert account_notices.verification_notices("usr_1", "", "", SOON) == ()
    assert account_notices.password_reset_notices("usr_1", "", "", SOON) == ()


def test_a_change_of_address_is_told_to_both_addresses() -> None:
    wish = account_notices.EmailChangeRequest(
        user_id="usr_1", email="new@b.c", code="12345678", expire_time=SOON, present_email="a@b.c"
    )
    assert notified_recipients(account_notices.email_change_notices(wish)) == {
        ToAddress("usr_1", "a@b.c"): c.EmailChangeAsked,
        ToAddress("usr_1", "new@b.c"): c.EmailChangeCode,
    }
    taken = replace(wish, code="", owner_id="usr_2")
    assert notified_recipients(account_notices.email_change_notices(taken)) == {
        ToAddress("usr_1", "a@b.c"): c.EmailChangeAsked,
        ToAddress("usr_2", "new@b.c"): c.AddressWanted,
    }
    assert notified_recipients(account_notices.changed_email_notices("usr_1", "a@b.c", "new@b.c")) == {
        ToAddress("usr_1", "a@b.c"): c.EmailChangedFrom,
        ToAddress("usr_1", "new@b.c"): c.EmailChangedTo,
    }


@pytest.mark.parametrize(
    ("from_state", "to_state", "company"),
    [
        ("DRAFT", "OPEN", c.ListingPublished),
        ("PENDING_REVIEW", "OPEN", c.ListingPublished),
        ("PAUSED", "OPEN", None),
        ("FILLED", "OPEN", None),
        ("OPEN", "PAUSED", None),
        ("OPEN", "FILLED", c.ListingFilled),
        ("OPEN", "EXPIRED", c.ListingExpired),
        ("PAUSED", "EXPIRED", c.ListingExpired),
        ("OPEN", "CLOSED", c.ListingClosed),
        ("CLOSED", "ARCHIVED", None),
    ],
)
def test_a_listing_notifies_its_company_when_it_goes_online_and_when_it_ends(
    from_state: str, to_state: str, company: type[c.NotificationContent] | None
) -> None:
    change = ListingChange(
        internship_id="int_1",
        internship_title="Engines",
        company_id=COMPANY,
        from_state=from_state,
        to_state=to_state,
    )
    assert notified_recipients(notices.listing_change_notices(change)) == (
        {ToCompany(COMPANY): company} if company else {}
    )


def test_what_happened_days_ago_is_no_news() -> None:
    now = datetime(2030, 5, 4, 12, tzinfo=UTC)
    assert not is_too_old_to_notify(now - timedelta(days=2), now)
    assert is_too_old_to_notify(now - timedelta(days=4), now)


def test_a_person_whose_copy_is_ready_is_informed() -> None:
    found = account_notices.ready_export_notices(STUDENT, SOON)
    assert notified_recipients(found) == {ToUser(STUDENT): c.DataExportReady}


def test_the_owner_of_an_account_hears_of_its_deletion_and_that_it_was_cancelled() -> None:
    asked = account_notices.deletion_request_notices(STUDENT, "ada@campus.test", SOON)
    stopped = account_notices.cancelled_deletion_notices(STUDENT, "ada@campus.test")
    owner = ToAddress(STUDENT, "ada@campus.test")
    assert notified_recipients(asked) == {owner: c.AccountDeletionAsked}
    assert notified_recipients(stopped) == {owner: c.AccountDeletionStopped}
