import pytest

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from chassis.page_tokens import PageTokens, SortValue, clamp_page_size
from internshipconnect.internship.v1.internship_pb2 import ListInternshipsRequest
from internshipconnect.user.v1.user_pb2 import SearchStudentsRequest

TOKENS = PageTokens(b"k" * 32)
QUERY = ListInternshipsRequest(q="python", skills=["sql"], page_size=10)
POSITION: list[SortValue] = [3.5, "int_01", None, 7]


def refused(
    tokens: PageTokens, query: ListInternshipsRequest | SearchStudentsRequest, token: str
) -> DomainError:
    with pytest.raises(DomainError) as caught:
        tokens.decode(query, token)
    return caught.value


def test_a_token_gives_back_the_position_that_it_was_issued_for() -> None:
    assert TOKENS.decode(QUERY, TOKENS.encode(QUERY, POSITION)) == POSITION


def test_no_token_means_the_first_page() -> None:
    assert TOKENS.decode(QUERY, "") is None


def test_the_page_size_may_change_between_pages() -> None:
    token = TOKENS.encode(QUERY, POSITION)
    next_page = ListInternshipsRequest(q="python", skills=["sql"], page_size=50, page_token=token)
    assert TOKENS.decode(next_page, token) == POSITION


def test_a_token_of_another_query_is_refused() -> None:
    error = refused(TOKENS, ListInternshipsRequest(q="java"), TOKENS.encode(QUERY, POSITION))
    assert (error.reason, error.violations[0].field) == ("INVALID_PAGE_TOKEN", "pageToken")


def test_a_token_of_the_same_words_asked_of_another_call_is_refused() -> None:
    token = TOKENS.encode(ListInternshipsRequest(q="python"), POSITION)
    assert refused(TOKENS, SearchStudentsRequest(q="python"), token).reason == "INVALID_PAGE_TOKEN"


def test_a_token_that_was_given_to_somebody_else_is_refused() -> None:
    with acting_as(Principal(id="usr_1", kind="STUDENT")):
        token = TOKENS.encode(QUERY, POSITION)
    with acting_as(Principal(id="usr_2", kind="STUDENT")):
        assert refused(TOKENS, QUERY, token).reason == "INVALID_PAGE_TOKEN"


def test_a_token_of_another_key_is_refused() -> None:
    token = PageTokens(b"x" * 32).encode(QUERY, POSITION)
    assert refused(TOKENS, QUERY, token).reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("token", ["a", "!!!", "====", "QUJD", "-" * 500, "ä"])
def test_what_was_never_a_token_is_refused(token: str) -> None:
    assert refused(TOKENS, QUERY, token).reason == "INVALID_PAGE_TOKEN"


def test_one_changed_character_is_enough_to_be_refused() -> None:
    token = TOKENS.encode(QUERY, POSITION)
    for place in range(len(token) - 1):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert refused(TOKENS, QUERY, changed).reason == "INVALID_PAGE_TOKEN"


def test_a_token_fits_the_contract() -> None:
    token = TOKENS.encode(QUERY, ["x" * 200, 1.25, "int_01JD0000000000000000000000"])
    assert len(token) <= 1000
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.=-")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        PageTokens(b"short")


@pytest.mark.parametrize(("requested", "given"), [(0, 20), (1, 1), (50, 50), (51, 50), (-3, 20)])
def test_the_page_size_has_a_default_and_a_bound(requested: int, given: int) -> None:
    assert clamp_page_size(requested) == given
