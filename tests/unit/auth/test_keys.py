from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.keys import (
    ACCESS_TOKEN_LIFE,
    DueSigningKey,
    KeyState,
    SigningKey,
    active_key,
    due_signing_key,
    key_id,
    key_state,
    published_keys,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
ROTATION = timedelta(days=30)


def key(number: int, activate_time: datetime) -> SigningKey:
    return SigningKey(key_id(number), number, f"kid-{number}", "x", "y", b"", activate_time, activate_time)


def test_the_first_key_signs_at_once_also_by_a_clock_that_runs_behind() -> None:
    due = due_signing_key([], ROTATION, NOW)
    assert due is not None
    first = key(due.number, due.activate_time)
    assert active_key([first], NOW - timedelta(minutes=4)) is first


def test_a_successor_is_due_a_day_before_it_signs() -> None:
    keys = [key(1, NOW)]
    assert due_signing_key(keys, ROTATION, NOW + timedelta(days=28)) is None
    assert due_signing_key(keys, ROTATION, NOW + timedelta(days=29)) == DueSigningKey(2, NOW + ROTATION)


def test_a_successor_that_comes_late_is_still_published_before_it_signs() -> None:
    late = NOW + timedelta(days=400)
    assert due_signing_key([key(1, NOW)], ROTATION, late) == DueSigningKey(2, late + timedelta(days=1))


def test_a_key_goes_from_next_to_active_to_retired_to_expired() -> None:
    first, second, third = keys = [key(1, NOW), key(2, NOW + ROTATION), key(3, NOW + 2 * ROTATION)]
    moment = NOW + ROTATION
    assert [key_state(each, keys, moment) for each in (first, second, third)] == [
        KeyState.RETIRED,
        KeyState.ACTIVE,
        KeyState.NEXT,
    ]
    assert key_state(first, keys, moment + ACCESS_TOKEN_LIFE + timedelta(minutes=5)) is KeyState.EXPIRED


def test_the_last_token_of_a_retired_key_can_be_verified_until_it_expires() -> None:
    keys = [key(1, NOW), key(2, NOW + ROTATION)]
    assert published_keys(keys, NOW + ROTATION + ACCESS_TOKEN_LIFE) == keys


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40))
def test_there_is_always_exactly_one_active_key_and_it_was_published_before(pauses_h: list[int]) -> None:
    keys: list[SigningKey] = []
    now, published_at = NOW, dict[int, datetime]()
    for pause in pauses_h:
        if due := due_signing_key(keys, ROTATION, now):
            keys.append(key(due.number, due.activate_time))
            published_at[due.number] = now
        active = active_key(keys, now)
        assert active is not None
        assert active.number == 1 or published_at[active.number] + timedelta(hours=12) <= now
        now += timedelta(hours=pause)
