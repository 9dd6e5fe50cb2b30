"""What Envoy may send, and what anybody else may not."""

from typing import Any

import pytest
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.wrappers_pb2 import UInt64Value
from hypothesis import given
from hypothesis import strategies as st

from gateway.ratelimit.limiter import RequestDescriptor
from gateway.ratelimit.request_parser import InvalidRequestError, parse_request
from gateway.ratelimit.rules import RateLimit, TimeUnit


def descriptor(*entries: tuple[str, str], **fields: Any) -> Any:
    pairs = [ratelimit_pb2.RateLimitDescriptor.Entry(key=key, value=value) for key, value in entries]
    return ratelimit_pb2.RateLimitDescriptor(entries=pairs, **fields)


def request(*descriptors: Any, domain: str = "d", **fields: Any) -> bytes:
    raw: bytes = rls_pb2.RateLimitRequest(
        domain=domain, descriptors=descriptors, **fields
    ).SerializeToString()
    return raw


PLAIN = descriptor(("a", "b"))
OVERRIDE = ratelimit_pb2.RateLimitDescriptor.RateLimitOverride


def test_a_request_is_read_as_it_is_meant() -> None:
    raw = request(PLAIN, descriptor(("c", ""), ("e", "f"), limit=OVERRIDE(requests_per_unit=5, unit=3)))
    assert parse_request(raw) == (
        "d",
        [
            RequestDescriptor((("a", "b"),)),
            RequestDescriptor((("c", ""), ("e", "f")), limit=RateLimit(5, TimeUnit.HOUR)),
        ],
    )


@pytest.mark.parametrize(
    ("of_request", "of_descriptor", "hits"),
    [(0, None, 1), (7, None, 7), (7, 3, 3), (0, 3, 3), (7, 0, 0), (0, 0, 0)],
)
def test_a_descriptors_own_hits_win_and_only_they_can_be_none(
    of_request: int, of_descriptor: int | None, hits: int
) -> None:
    own = {} if of_descriptor is None else {"hits_addend": UInt64Value(value=of_descriptor)}
    _, (read,) = parse_request(request(descriptor(("a", "b"), **own), hits_addend=of_request))
    assert read.hits == hits


WRONG = {
    "an empty domain": (request(PLAIN, domain=""), "domain is empty"),
    "a long domain": (request(PLAIN, domain="d" * 300), "domain has 300 characters; allowed: 256"),
    "a NUL in the domain": (request(PLAIN, domain="d\0"), "domain holds a control character"),
    "no descriptors": (request(), "descriptors has 0 items; allowed: 1 to 64"),
    "many descriptors": (request(*[PLAIN] * 65), "descriptors has 65 items; allowed: 1 to 64"),
    "no entries": (request(PLAIN, descriptor()), "descriptors[1].entries has 0 items; allowed: 1 to 16"),
    "a thousand entries": (
        request(descriptor(*[("a", "b")] * 1_000)),
        "descriptors[0].entries has 1000 items; allowed: 1 to 16",
    ),
    "an empty key": (request(descriptor(("a", ""), ("", "b"))), "descriptors[0].entries[1].key is empty"),
    "a long key": (
        request(descriptor(("a" * 257, ""))),
        "descriptors[0].entries[0].key has 257 characters; allowed: 256",
    ),
    "a huge value": (
        request(descriptor(("a", "b" * 500_000))),
        "descriptors[0].entries[0].value has 500000 characters; allowed: 4096",
    ),
    "a NUL in a value": (
        request(descriptor(("a", "b\0c"))),
        "descriptors[0].entries[0].value holds a control character",
    ),
    "too many hits": (request(PLAIN, hits_addend=2**32 - 1), "hits_addend is 4294967295"),
    "too many hits of one descriptor": (
        request(descriptor(("a", "b"), hits_addend=UInt64Value(value=2**64 - 1))),
        "descriptors[0].hits_addend is 18446744073709551615",
    ),
    "a limit without a unit": (
        request(descriptor(("a", "b"), limit=OVERRIDE(requests_per_unit=5))),
        "descriptors[0].limit.unit is 0; allowed: SECOND",
    ),
    "bytes of something else": (b"\xff\xff\xff", "the message is not a RateLimitRequest"),
    "text that is not UTF-8": (b"\x0a\x02\xff\xfe", "the message is not a RateLimitRequest"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(what: str) -> None:
    raw, message = WRONG[what]
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(raw)
    assert str(caught.value).startswith(message)


@given(st.binary(max_size=200))
def test_whatever_arrives_is_read_or_refused(raw: bytes) -> None:
    try:
        domain, descriptors = parse_request(raw)
    except InvalidRequestError:
        return
    assert domain
    assert descriptors


@pytest.mark.parametrize(
    "typed",
    ["a@m%C3%BCnchen.de", "A@M%C3%9CNCHEN.DE", "a@xn--mnchen-3ya.de", "%20a@mu%CC%88nchen.de%E2%80%8B"],
)
def test_all_spellings_of_an_account_are_one_limit(typed: str) -> None:
    _, (read,) = parse_request(request(descriptor(("class", "LOGIN"), ("account", typed))))
    assert read.entries == (("class", "LOGIN"), ("account", "a@münchen.de"))


@pytest.mark.parametrize("typed", ["compressed", "%FF%FE", "a b", "", "%", "x" * 3_000])
def test_what_is_no_address_is_a_limit_of_its_own(typed: str) -> None:
    _, (read,) = parse_request(request(descriptor(("account", typed))))
    assert read.entries == (("account", typed),)
