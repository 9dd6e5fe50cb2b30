"""Keys of counters: bounded, readable where they may be, and never the same for two descriptors."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ratelimit.keys import MAX_KEY_CHARS, counter_key

tricky = st.text(alphabet="ab=|#{}_.\n\x00é@", max_size=8)
entries = st.lists(st.tuples(tricky, tricky), min_size=1, max_size=4)


def test_short_plain_values_can_be_read_in_the_store() -> None:
    key = counter_key(
        "internshipconnect", [("class", "SEARCH"), ("user", "usr_01JD0000000000000000000000")], 60
    )
    assert key == "ratelimit|60|internshipconnect|class=SEARCH|user=usr_01JD0000000000000000000000"


def test_addresses_of_people_can_not() -> None:
    assert "ada" not in counter_key("d", [("account", "ada@example.org")], 60)


@given(
    st.lists(st.tuples(st.text(max_size=300), st.text(max_size=5_000)), max_size=16), st.text(max_size=300)
)
def test_a_key_is_never_longer_than_its_bound_and_names_no_slot(
    parts: list[tuple[str, str]], domain: str
) -> None:
    key = counter_key(domain, parts, 31_536_000)
    assert len(key) <= MAX_KEY_CHARS
    assert key.isascii()
    assert "{" not in key


@given(entries, entries, tricky, tricky)
def test_two_descriptors_never_share_a_key(
    one: list[tuple[str, str]], other: list[tuple[str, str]], domain: str, other_domain: str
) -> None:
    same = (one, domain) == (other, other_domain)
    assert (counter_key(domain, one, 60) == counter_key(other_domain, other, 60)) is same


def test_another_length_of_the_window_is_another_counter() -> None:
    assert counter_key("d", [("a", "b")], 60) != counter_key("d", [("a", "b")], 3_600)
