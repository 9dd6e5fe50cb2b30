from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from chassis.ids import new_id
from services.auth.domain import EndReason, RefreshToken, Session, Verdict, start_session

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY = b"k" * 32
SESSION_ID = new_id("ses", 7)


def token(number: int) -> RefreshToken:
    return RefreshToken(SESSION_ID, bytes([number]) * 32)


def session() -> Session:
    return start_session("usr_1", 1, token(0), amr=("pwd",), now=NOW)


def test_a_token_survives_encoding() -> None:
    assert RefreshToken.decode(token(1).encode(KEY), KEY) == token(1)


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
        RefreshToken.decode(text, KEY)
    assert failure.value.reason == "INVALID_REFRESH_TOKEN"


def test_the_first_token_is_current() -> None:
    assert session().judge(token(0), NOW) is Verdict.CURRENT


def test_a_token_that_was_rotated_away_is_reused() -> None:
    assert session().rotate(token(1), NOW).judge(token(0), NOW) is Verdict.REUSED


def test_a_session_slides_for_thirty_days() -> None:
    last = NOW + timedelta(days=30) - timedelta(milliseconds=1)
    assert session().judge(token(0), last) is Verdict.CURRENT
    assert session().judge(token(0), NOW + timedelta(days=30)) is Verdict.OVER


def test_a_session_ends_ninety_days_after_sign_in_however_often_it_is_refreshed() -> None:
    current, now = session(), NOW
    while now < NOW + timedelta(days=89):
        current, now = current.rotate(token(1), now), now + timedelta(days=1)
    assert current.expire_time == NOW + timedelta(days=90)


def test_an_ended_session_is_over_for_every_token_and_keeps_its_first_reason() -> None:
    ended = session().end(EndReason.LOGOUT, NOW).end(EndReason.TOKEN_REUSED, NOW + timedelta(days=1))
    assert (ended.end_reason, ended.end_time) == (EndReason.LOGOUT, NOW)
    assert ended.judge(token(0), NOW) is Verdict.OVER


@given(st.lists(st.integers(0, 9), max_size=30))
def test_no_order_of_presented_tokens_lets_any_token_work_twice(presented: list[int]) -> None:
    current, issued, worked = session(), 1, set[int]()
    for number in (number for number in presented if number < issued):
        match current.judge(token(number), NOW):
            case Verdict.CURRENT:
                assert number not in worked
                worked.add(number)
                current, issued = current.rotate(token(issued), NOW), issued + 1
            case Verdict.REUSED:
                assert number in worked
                current = current.end(EndReason.TOKEN_REUSED, NOW)
            case Verdict.OVER:
                assert current.end_time is not None
