"""What people search for: words, misspelt words, a skill in a city, and browsing."""

from collections.abc import Iterable
from itertools import cycle
from typing import Final

from internshipconnect.internship.v1 import internship_pb2 as pb

MISSPELT_FROM: Final = 6
"""Letters that a word has at least when a slip in it is forgiven for sure."""


def queries(listings: Iterable[pb.Internship]) -> list[pb.ListInternshipsRequest]:
    """One query for each listing, of the four kinds in turn, each of which the listing matches."""
    return [ask(listing) for ask, listing in zip(cycle(_KINDS), listings, strict=False)]


def misspelt(text: str) -> str:
    """The text with two letters of its first long word swapped; as it is when it has none."""
    for word in text.split():
        if len(word) >= MISSPELT_FROM and word.isalpha():
            return text.replace(word, word[:2] + word[3] + word[2] + word[4:], 1)
    return text


def _text(listing: pb.Internship) -> pb.ListInternshipsRequest:
    return pb.ListInternshipsRequest(q=listing.title)


def _misspelt_text(listing: pb.Internship) -> pb.ListInternshipsRequest:
    return pb.ListInternshipsRequest(q=misspelt(listing.title))


def _skill_in_city(listing: pb.Internship) -> pb.ListInternshipsRequest:
    skills, places = listing.skills[:1], listing.locations[:1]
    city = places[0].city if places else ""
    return pb.ListInternshipsRequest(skills=[skill.name for skill in skills], city=city)


def _browse(listing: pb.Internship) -> pb.ListInternshipsRequest:
    return pb.ListInternshipsRequest(field=listing.field, sort=pb.INTERNSHIP_SORT_NEWEST)


_KINDS: Final = (_text, _misspelt_text, _skill_in_city, _browse)
