from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.security.data_keys import DataKeys
from chassis.security.link_tickets import LinkTicketError, LinkTickets

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
TICKETS = LinkTickets(DataKeys(bytes(32)))
VALUES: list[str | int] = ["usr_1", "doc_1", 3]


def test_a_ticket_gives_back_what_it_holds_until_it_expires() -> None:
    ticket = TICKETS.issue("upload", VALUES, LATER)
    assert TICKETS.open("upload", ticket, NOW) == (VALUES, LATER)
    assert TICKETS.open("upload", ticket, LATER - timedelta(seconds=1)) == (VALUES, LATER)
    with pytest.raises(LinkTicketError):
        TICKETS.open("upload", ticket, LATER)


def test_a_ticket_is_for_one_purpose() -> None:
    with pytest.raises(LinkTicketError):
        TICKETS.open("download", TICKETS.issue("upload", VALUES, LATER), NOW)


def test_a_ticket_of_another_key_is_refused() -> None:
    with pytest.raises(LinkTicketError):
        TICKETS.open("upload", LinkTickets(DataKeys(b"x" * 32)).issue("upload", VALUES, LATER), NOW)


def test_a_ticket_needs_no_quoting_in_a_url() -> None:
    assert TICKETS.issue("upload", ["ä/?&#", 2**40], LATER).replace("-", "").replace("_", "").isalnum()


@given(st.data())
def test_a_ticket_with_any_changed_letter_is_refused(data: st.DataObject) -> None:
    ticket = TICKETS.issue("upload", VALUES, LATER)
    # The last letter may hold bits that mean nothing.
    place = data.draw(st.integers(0, len(ticket) - 2))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != ticket[place]))
    with pytest.raises(LinkTicketError):
        TICKETS.open("upload", ticket[:place] + letter + ticket[place + 1 :], NOW)


@given(st.text())
def test_no_text_of_others_opens_anything(text: str) -> None:
    with pytest.raises(LinkTicketError):
        TICKETS.open("upload", text, NOW)
