"""Search queries: words, misspelt words, a skill in a city, and browsing."""

from collections.abc import Iterable
from itertools import cycle
from typing import Final

from internshipconnect.internship.v1 import internship_pb2 as pb

MIN_MISSPELT_LETTERS: Final = 6
"""The minimum length of a word in which a misspelling is certainly corrected."""


def build_search_requests(listings: Iterable[pb.Internship]) -> list[pb.ListInternshipsRequest]:
    """Return one query for each listing, of the four kinds in turn; each matches its listing."""
    return [ask(listing) for ask, listing in zip(cycle(_QUERY_BUILDERS), listings, strict=False)]


def misspell(text: str) -> str:
    """Return the text with two letters of its first long word swapped; unchanged when it has none."""
    for word in text.split():
        if len(word) >= MIN_MISSPELT_LETTERS and word.isalpha():
            return text.replace(word, word[:2] + word[3] + word[2] + word[4:], 1)
    return text


def _title_query(listing: pb.Internship) -> pb.ListInternshipsRequest:
    return pb.ListInternshipsRequest(q=listing.title)


def _misspelt_title_query(listing: pb.Internship) -> pb.ListInternshipsRequest:
    return pb.ListInternshipsRequest(q=misspell(listing.title))


def _skill_and_city_query(listing: pb.Internship) -> pb.ListInternshipsRequest:
    skills, places = listing.skills[:1], listing.locations[:1]
    city = places[0].city if places else ""
    return pb.ListInternshipsRequest(skills=[skill.name for skill in skills], city=city)


def _newest_in_field_query(listing: pb.Internship) -> pb.ListInternshipsRequest:
    return pb.ListInternshipsRequest(field=listing.field, sort=pb.INTERNSHIP_SORT_NEWEST)


_QUERY_BUILDERS: Final = (_title_query, _misspelt_title_query, _skill_and_city_query, _newest_in_field_query)
