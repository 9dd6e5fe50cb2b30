"""Notifications and the facts of events, from and to messages."""

from datetime import UTC, datetime

from chassis.message_fields import set_from_field
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.notification.v1 import notification_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from services.notification.domain.contents import NotificationCategory
from services.notification.domain.inbox import Notification
from services.notification.mapping import (
    application_move_from_message,
    company_change_from_message,
    notification_message,
    position_from_token,
    position_to_token,
)

NOW = datetime(2027, 3, 1, 9, 30, 0, 123_000, tzinfo=UTC)


def test_an_entry_names_its_subject_and_category() -> None:
    entry = Notification(
        id="ntf_1",
        recipient_id="usr_1",
        category=NotificationCategory.LISTING,
        template="listing_published",
        title="Open",
        body="It is open.",
        about="int_1",
        create_time=NOW,
    )
    message = notification_message(entry)
    assert (message.id, message.subject_id, message.read) == ("ntf_1", "int_1", False)
    assert message.category == pb.NOTIFICATION_CATEGORY_LISTING
    assert message.create_time.ToDatetime(tzinfo=UTC) == NOW


def test_a_position_survives_its_page_token() -> None:
    assert position_from_token(position_to_token((NOW, "ntf_1"))) == (NOW, "ntf_1")
    assert position_from_token(None) is None


def test_a_move_has_the_contracts_names_without_prefix() -> None:
    event = events.ApplicationMoved(
        application=events.ApplicationFacts(application_id="app_1", student_name="Ada"),
        to=application.APPLICATION_STATE_HIRED,
        actor=application.ACTOR_COMPANY,
    )
    set_from_field(event, application.APPLICATION_STATE_OFFERED)
    move = application_move_from_message(event)
    assert (move.from_state, move.to_state, move.actor) == ("OFFERED", "HIRED", "COMPANY")
    assert (move.application.id, move.application.student_name) == ("app_1", "Ada")
    assert (move.closed_reason, move.offer_expire_time) == ("UNSPECIFIED", None)


def test_a_decision_on_a_company_names_its_state() -> None:
    event = events.CompanyStateChanged(company_id="cmp_1", to=user.COMPANY_STATE_VERIFIED, reason="Checked.")
    change = company_change_from_message(event)
    assert (change.company_id, change.to_state, change.reason) == ("cmp_1", "VERIFIED", "Checked.")
