"""The calls of the mix: 40 % browse, 30 % apply, 30 % search, over HTTP/JSON."""

import ipaddress
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle, islice
from typing import Any, Final
from urllib.parse import urlencode

from google.protobuf.json_format import MessageToDict

from internshipconnect.internship.v1 import internship_pb2 as pb
from verify.bench.search_queries import build_search_requests

BROWSE: Final = "browse"
APPLY: Final = "apply"
SEARCH: Final = "search"
KINDS_IN_TURN: Final = (*(BROWSE, APPLY, SEARCH) * 3, BROWSE)
LISTINGS_PATH: Final = "/api/v1/internships"
APPLICATIONS_PATH: Final = "/api/v1/applications"
LISTINGS_PER_PAGE: Final = 3
"""The number of single listings that are browsed for each first page."""
TEST_NETWORK: Final = ipaddress.ip_network("198.18.0.0/15")
"""Reserved for benchmarks; a local gateway trusts what `x-forwarded-for` says."""
READER_COUNT: Final = 8_192
"""Enough that none of them exceeds the limit of one address."""
POPULARITY_SEED: Final = 1


@dataclass(frozen=True)
class HttpCall:
    """One call; `path` with its query."""

    kind: str
    path: str
    headers: dict[str, str]
    body: bytes | None = None


def build_mix_calls(
    listings: Sequence[pb.Internship], tokens: Sequence[str], listing_ids: Sequence[str], number: int
) -> list[HttpCall]:
    """Return the next `number` calls of the mix; it ends earlier when every student has applied everywhere.

    `tokens` are those of students, who apply to the listings of `listing_ids`. Others have no token.
    """
    calls_by_kind = {
        BROWSE: _browse_calls(listings),
        APPLY: _apply_calls(tokens, listing_ids),
        SEARCH: _search_calls(listings),
    }
    addresses = _reader_addresses()
    mixed = []
    for kind in islice(cycle(KINDS_IN_TURN), number):
        call = next(calls_by_kind[kind], None)
        if call is None:
            break
        if kind != APPLY:
            call.headers["x-forwarded-for"] = next(addresses)
        mixed.append(call)
    return mixed


def search_path(request: pb.ListInternshipsRequest) -> str:
    """Return the path of a search with its query, as the JSON API takes it."""
    query = urlencode(MessageToDict(request), doseq=True)
    return f"{LISTINGS_PATH}?{query}" if query else LISTINGS_PATH


def _browse_calls(listings: Sequence[pb.Internship]) -> Iterator[HttpCall]:
    """Yield reads of listings, the first ones most often (Zipf), and between them first pages of the list."""
    choose = random.Random(POPULARITY_SEED)  # noqa: S311
    weights = [1 / (rank + 1) for rank in range(len(listings))]
    pages = cycle([LISTINGS_PATH, *(search_path(each) for each in _first_pages(listings))])
    while True:
        for listing in choose.choices(listings, weights, k=LISTINGS_PER_PAGE):
            yield HttpCall(BROWSE, f"{LISTINGS_PATH}/{listing.id}", {})
        yield HttpCall(BROWSE, next(pages), {})


def _first_pages(listings: Sequence[pb.Internship]) -> list[pb.ListInternshipsRequest]:
    fields = dict.fromkeys(listing.field for listing in listings if listing.field)
    return [pb.ListInternshipsRequest(field=each, sort=pb.INTERNSHIP_SORT_NEWEST) for each in fields]


def _search_calls(listings: Sequence[pb.Internship]) -> Iterator[HttpCall]:
    for request in cycle(build_search_requests(listings)):
        yield HttpCall(SEARCH, search_path(request), {})


def _apply_calls(tokens: Sequence[str], listing_ids: Sequence[str]) -> Iterator[HttpCall]:
    """Yield every student for every listing, in an order in which neighbours share neither."""
    for offset in range(len(listing_ids)):
        for number, token in enumerate(tokens):
            body: dict[str, Any] = {"internshipId": listing_ids[(number + offset) % len(listing_ids)]}
            headers = {
                "authorization": f"Bearer {token}",
                "content-type": "application/json",
                "idempotency-key": str(uuid.uuid4()),
            }
            yield HttpCall(APPLY, APPLICATIONS_PATH, headers, json.dumps(body).encode())


def _reader_addresses() -> Iterator[str]:
    """Yield the readers' addresses in turn; each run has others, as limits last longer than a run."""
    size = TEST_NETWORK.num_addresses
    first = random.SystemRandom().randrange(size)
    for number in count():
        yield str(TEST_NETWORK[(first + number % READER_COUNT) % size])
