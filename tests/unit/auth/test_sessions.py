from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.aggregates import AggregateChange
from chassis.errors import DomainError
from chassis.ids import new_id
from services.auth.domain.events import SessionWasCompromised
from services.auth.domain.sessions import (
    EndReason,
    PresentedRefreshToken,
    RefreshToken,
    RefreshTokenStatus,
    Session,
    start_session,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY = b"k" * 32
SESSION_ID = new_id("ses", 7)
GRACE = timedelta(seconds=10)
LAPTOP, THIEF = b"laptop", b"thief"


def token(number: int) -> RefreshToken:
    return RefreshToken(SESSION_ID, bytes([number]) * 32)


def generation(number: int) -> RefreshToken:
    """Return the first token, or the one after a number of exchanges."""
    found = token(0)
    for _ in range(number):
        found = found.successor(KEY)
    return found


def shown(number: int, client: bytes = LAPTOP) -> PresentedRefreshToken:
    return PresentedRefreshToken(generation(number), generation(number + 1), client)


def session() -> Session:
    return start_session("usr_1", 1, token(0), amr=("pwd",), now=NOW)


def test_a_token_of_a_former_key_is_genuine_and_keeps_its_successor() -> None:
    former, newest = KEY, b"n" * 32
    assert RefreshToken.decode(token(1).encode(former), [newest, former]) == token(1)
    by_former, by_newest = (token(0).successor(key) for key in (former, newest))
    presented = PresentedRefreshToken(token(0), by_newest, LAPTOP, other_successors=(by_former,))
    exchanged = session().rotate(PresentedRefreshToken(token(0), by_former, LAPTOP), NOW)
    found = exchanged.check_refresh_token(presented, GRACE, NOW)
    assert found is RefreshTokenStatus.REPEATED
    assert presented.find_successor(exchanged.token_digest) == by_former


def test_a_token_survives_encoding() -> None:
    assert RefreshToken.decode(token(1).encode(KEY), [KEY]) == token(1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        SESSION_ID,
        f"{SESSION_ID}.",
        f"{SESSION_ID}.AAAA",
        f"{SESSION_ID}.{'A' * 64}",
        token(1).encode(b"x" * 32),
        token(1).encode(KEY)[:-2],
        token(1).encode(KEY).replace(SESSION_ID, new_id("ses", 8)),
        token(1).encode(KEY).replace("ses_", "usr_"),
    ],
    ids=(
        "empty",
        "only-a-dot",
        "no-secret",
        "empty-secret",
        "short",
        "no-seal",
        "another-key",
        "cut",
        "another-session",
        "another-kind",
    ),
)
def test_a_token_that_we_did_not_give_out_is_refused_without_touching_the_session(text: str) -> None:
    with pytest.raises(DomainError) as failure:
        RefreshToken.decode(text, [KEY])
    assert failure.value.reason == "INVALID_REFRESH_TOKEN"


def test_a_successor_is_always_the_same_and_nobody_makes_it_without_the_key() -> None:
    assert token(0).successor(KEY) == token(0).successor(KEY)
    others = (token(1).successor(KEY), token(0).successor(b"x" * 32), token(0))
    assert token(0).successor(KEY) not in others


def test_the_first_token_is_current() -> None:
    assert session().check_refresh_token(shown(0), GRACE, NOW) is RefreshTokenStatus.CURRENT


def test_the_token_that_was_exchanged_just_now_is_answered_again_to_the_same_client_only() -> None:
    rotated, last = session().rotate(shown(0), NOW), NOW + GRACE - timedelta(milliseconds=1)
    assert rotated.check_refresh_token(shown(0), GRACE, last) is RefreshTokenStatus.REPEATED
    assert rotated.check_refresh_token(shown(0, THIEF), GRACE, last) is RefreshTokenStatus.REUSED
    assert rotated.check_refresh_token(shown(0), GRACE, NOW + GRACE) is RefreshTokenStatus.REUSED


def test_an_older_token_is_reused_however_short_ago_it_was_exchanged() -> None:
    rotated = session().rotate(shown(0), NOW).rotate(shown(1), NOW)
    assert rotated.check_refresh_token(shown(0), GRACE, NOW) is RefreshTokenStatus.REUSED
    assert rotated.check_refresh_token(shown(1), GRACE, NOW) is RefreshTokenStatus.REPEATED


def test_a_session_slides_for_thirty_days() -> None:
    last = NOW + timedelta(days=30) - timedelta(milliseconds=1)
    assert session().check_refresh_token(shown(0), GRACE, last) is RefreshTokenStatus.CURRENT
    assert (
        session().check_refresh_token(shown(0), GRACE, NOW + timedelta(days=30)) is RefreshTokenStatus.ENDED
    )


def test_a_session_ends_ninety_days_after_sign_in_however_often_it_is_refreshed() -> None:
    current, now = session(), NOW
    while now < NOW + timedelta(days=89):
        current, now = current.rotate(shown(1), now), now + timedelta(days=1)
    assert current.expire_time == NOW + timedelta(days=90)


def test_an_ended_session_is_over_for_every_token_and_keeps_its_first_reason() -> None:
    ended = session().end(EndReason.LOGOUT, NOW).end(EndReason.TOKEN_REUSED, NOW + timedelta(days=1))
    assert (ended.end_reason, ended.end_time) == (EndReason.LOGOUT, NOW)
    assert ended.check_refresh_token(shown(0), GRACE, NOW) is RefreshTokenStatus.ENDED


def test_an_exchange_puts_the_successor_in_the_place_of_the_token_that_works() -> None:
    assert session().exchange_token(shown(0), GRACE, NOW) == AggregateChange(session().rotate(shown(0), NOW))


def test_a_repeated_exchange_changes_nothing() -> None:
    assert session().rotate(shown(0), NOW).exchange_token(shown(0), GRACE, NOW) is None


def test_an_exchange_of_a_used_token_ends_the_session_and_says_whose_it_was() -> None:
    rotated = session().rotate(shown(0), NOW)
    assert rotated.exchange_token(shown(0, THIEF), GRACE, NOW) == AggregateChange(
        rotated.end(EndReason.TOKEN_REUSED, NOW), (SessionWasCompromised("usr_1", SESSION_ID, "", "", NOW),)
    )


def test_no_token_of_an_ended_session_is_exchanged() -> None:
    with pytest.raises(DomainError) as failure:
        session().end(EndReason.LOGOUT, NOW).exchange_token(shown(0), GRACE, NOW)
    assert failure.value.reason == "INVALID_REFRESH_TOKEN"


STEPS = st.tuples(st.integers(0, 6), st.sampled_from([LAPTOP, THIEF]), st.integers(0, 12))


@given(st.lists(STEPS, max_size=30))
def test_no_order_of_shown_tokens_gives_two_families_or_spares_a_session_whose_token_is_in_two_hands(
    steps: list[tuple[int, bytes, int]],
) -> None:
    """A model of what a session may do: who exchanged which generation last, and when."""
    current, now = session(), NOW
    newest, exchanged = 0, (-1, b"", NOW)
    for number, client, seconds in steps:
        now += timedelta(seconds=seconds)
        if number > newest:
            continue  # nobody was given that one yet
        verdict = current.check_refresh_token(shown(number, client), GRACE, now)
        if current.end_time is not None:
            assert verdict is RefreshTokenStatus.ENDED
        elif number == newest:
            assert verdict is RefreshTokenStatus.CURRENT
            current, exchanged = current.rotate(shown(number, client), now), (number, client, now)
            newest += 1
            assert current.token_digest == generation(newest).digest
        elif exchanged[:2] == (number, client) and now < exchanged[2] + GRACE:
            assert verdict is RefreshTokenStatus.REPEATED
            assert current.token_digest == generation(number + 1).digest
        else:
            assert verdict is RefreshTokenStatus.REUSED
            current = current.end(EndReason.TOKEN_REUSED, now)
