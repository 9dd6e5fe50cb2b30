"""IDs: their parts come back, they sort by time, and nothing else passes for one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chassis.ids import SLOT_COUNT, creation_time_of, is_id, new_id, slot_of, slot_of_key

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

prefixes = st.from_regex(r"[a-z][a-z0-9]{1,9}", fullmatch=True)
slots = st.integers(0, SLOT_COUNT - 1)
times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(prefix=prefixes, slot=slots, at=times)
def test_the_slot_and_the_time_of_an_id_are_those_it_was_made_with(
    prefix: str, slot: int, at: datetime
) -> None:
    made = new_id(prefix, slot, at=at)

    assert slot_of(made) == slot
    assert timedelta(0) <= at - creation_time_of(made) < timedelta(milliseconds=1)
    assert is_id(prefix, made)
    assert len(made) == len(prefix) + 1 + 26


@given(first=times, second=times, slot=slots)
def test_ids_of_one_kind_sort_by_time(first: datetime, second: datetime, slot: int) -> None:
    assume(abs(first - second) >= timedelta(milliseconds=1))

    assert (new_id("app", slot, at=first) < new_id("app", at=second)) == (first < second)


@given(seed=st.binary(), at=times, prefix=prefixes)
def test_the_same_seed_and_time_make_the_same_id(seed: bytes, at: datetime, prefix: str) -> None:
    made = new_id(prefix, at=at, seed=seed)

    assert made == new_id(prefix, at=at, seed=seed)
    assert made != new_id(prefix, at=at, seed=seed + b"x")
    assert made[-13:] != new_id(f"{prefix[:9]}q" if prefix[-1:] != "q" else "zz", at=at, seed=seed)[-13:]


@given(text=st.text(max_size=40))
def test_arbitrary_text_is_either_an_id_with_a_slot_or_refused(text: str) -> None:
    try:
        slot = slot_of(text)
    except ValueError:
        assert not is_id("app", text)
    else:
        assert 0 <= slot < SLOT_COUNT


def number_of(id_: str) -> int:
    """Return the 128 bits of an ID."""
    return sum(CROCKFORD.index(digit) << 5 * place for place, digit in enumerate(reversed(id_[4:])))


@given(position=st.integers(0, 29), character=st.characters())
def test_no_second_spelling_of_an_id_is_an_id(position: int, character: str) -> None:
    made = new_id("app", 77)
    changed = made[:position] + character + made[position + 1 :]
    assume(changed != made)

    if is_id("app", changed):
        assert number_of(changed) != number_of(made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app_",
        "app",
        "app_01M82FBPQ9X95FR7Z1YYXRBYS",
        "app_01M82FBPQ9X95FR7Z1YYXRBYS6\n",
        "app_01m82fbpq9x95fr7z1yyxrbys6",
        "app_81M82FBPQ9X95FR7Z1YYXRBYS6",
        "app_01M82FBPQ9X95FR7Z1YYXRBYSO",
        "APP_01M82FBPQ9X95FR7Z1YYXRBYS6",
        "app-01M82FBPQ9X95FR7Z1YYXRBYS6",
    ],
)
def test_what_is_not_quite_an_id_is_refused(text: str) -> None:
    assert not is_id("app", text)
    with pytest.raises(ValueError, match="not an ID"):
        slot_of(text)


def test_an_id_of_another_kind_is_not_of_this_kind() -> None:
    assert not is_id("usr", new_id("app"))


def test_ids_of_one_moment_differ() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    assert len({new_id("app", 5, at=at) for _ in range(1000)}) == 1000


def test_slots_of_the_makers_choice_cover_both_halves_evenly() -> None:
    low = sum(slot_of(new_id("usr")) < SLOT_COUNT // 2 for _ in range(2000))

    assert 800 < low < 1200


@given(text=st.text())
def test_a_key_has_one_slot(text: str) -> None:
    assert slot_of_key(text) == slot_of_key(text)
    assert 0 <= slot_of_key(text) < SLOT_COUNT


def test_a_time_after_the_year_9999_is_refused() -> None:
    with pytest.raises(ValueError, match="9999"):
        creation_time_of("app_7ZZZZZZZZZX95FR7Z1YYXRBYS6")


@pytest.mark.parametrize("slot", [-1, SLOT_COUNT])
def test_a_slot_out_of_range_is_refused(slot: int) -> None:
    with pytest.raises(ValueError, match="slot"):
        new_id("app", slot)


@pytest.mark.parametrize("prefix", ["", "a", "App", "a_b", "1ab", "elevenchars"])
def test_a_prefix_that_is_none_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        new_id("app", at=datetime(2026, 1, 1))  # noqa: DTZ001
