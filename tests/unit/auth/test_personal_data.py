"""What of an account its owner's own copy holds."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson

from services.auth.domain.accounts import (
    AccountHolder,
    AccountKind,
    PendingRegistration,
    open_account,
)
from services.auth.domain.security_events import (
    Performer,
    PerformerKind,
    SecurityEvent,
    SecurityNote,
    SecurityVerb,
)
from services.auth.domain.sessions import Session
from services.auth.service.list_personal_data import account_fields, security_event_fields, session_fields

NOW = datetime(2027, 1, 1, tzinfo=UTC)
USER = "usr_01JD0000000000000000000000"


def test_an_account_comes_without_password_and_codes() -> None:
    registration = PendingRegistration(
        AccountHolder("Ada", AccountKind.STUDENT), "hash-of-password", b"digest-of-code", 0, NOW
    )
    account = replace(
        open_account(USER, "ada@campus.test", registration, NOW), recovery_codes=(b"sealed recovery code",)
    )
    text = orjson.dumps(account_fields(account)).decode()
    assert "ada@campus.test" in text and '"name":"Ada"' in text
    for secret in ("hash-of-password", "digest", "registrations", "recovery"):
        assert secret not in text


def test_a_session_comes_without_the_digest_of_its_token() -> None:
    session = Session("ses_1", USER, 1, b"digest", ("pwd",), NOW, NOW, NOW, client=b"client")
    fields = session_fields(replace(session, device="Firefox"))
    assert fields["device"] == "Firefox"
    assert not {"tokenDigest", "client", "credential"} & fields.keys()


def test_of_staff_who_did_something_the_kind_is_listed_and_nothing_else() -> None:
    staff = Performer(PerformerKind.STAFF, id="usr_staff", area="203.0.113.0/24", request_id="call-1")
    event = SecurityEvent("sev_1", USER, 1, NOW, staff, SecurityNote(SecurityVerb.SUSPENDED), b"")
    text = orjson.dumps(security_event_fields(event)).decode()
    assert '"performer":"STAFF"' in text
    for detail in ("usr_staff", "203.0.113", "call-1"):
        assert detail not in text
