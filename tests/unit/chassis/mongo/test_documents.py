"""Entities as documents: through BSON and back they are equal."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum

import bson
import msgspec
import pytest
from bson.codec_options import CodecOptions

from chassis.mongo.documents import Document, format_etag, from_document, to_document


class SampleState(StrEnum):
    OPEN = "OPEN"


class SampleLevel(Enum):
    HIGH = 3


@dataclass(frozen=True)
class SamplePlace:
    city: str
    lat: float | None = None


@dataclass(frozen=True, slots=True)
class SampleListing:
    id: str
    state: SampleState
    level: SampleLevel
    made_at: datetime
    places: tuple[SamplePlace, ...] = ()
    closes_at: datetime | None = None
    views: int = 0
    notes: dict[str, SamplePlace] = field(default_factory=dict)
    digest: bytes = b""


LISTING = SampleListing(
    id="int_1",
    state=SampleState.OPEN,
    level=SampleLevel.HIGH,
    made_at=datetime(2026, 3, 1, 12, 30, 0, 5000, tzinfo=UTC),
    places=(SamplePlace("Berlin", 52.5), SamplePlace("Zürich")),
    views=2**40,
    notes={"x": SamplePlace("Graz", 47.0)},
    digest=b"\x00\xff",
)


def through_bson(document: Document) -> Document:
    return bson.decode(bson.encode(document), CodecOptions(tz_aware=True, tzinfo=UTC))


def test_an_entity_comes_back_from_bson_as_it_was() -> None:
    assert from_document(SampleListing, through_bson(to_document(LISTING))) == LISTING


def test_the_id_is_the_documents_id_and_values_stay_native() -> None:
    document = to_document(LISTING, slot=7)

    assert next(iter(document)) == "_id"
    assert "id" not in document
    assert (document["_id"], document["slot"], document["state"], document["level"]) == (
        "int_1",
        7,
        "OPEN",
        3,
    )
    assert document["made_at"] is LISTING.made_at


def test_unknown_fields_are_ignored_and_missing_ones_take_their_defaults() -> None:
    document = {
        "_id": "int_1",
        "slot": 7,
        "state": "OPEN",
        "level": 3,
        "made_at": LISTING.made_at,
        "later": 1,
    }

    assert from_document(SampleListing, document) == SampleListing(
        "int_1", SampleState.OPEN, SampleLevel.HIGH, LISTING.made_at
    )


def test_a_document_of_another_shape_names_the_field() -> None:
    document = to_document(LISTING) | {"places": [{"city": 5}]}

    with pytest.raises(msgspec.ValidationError, match=r"places\[0\].city"):
        from_document(SampleListing, document)


def test_the_documents_own_fields_are_left_as_they_are() -> None:
    document = to_document(LISTING)
    before = dict(document)

    from_document(SampleListing, document)

    assert document == before


def test_an_entity_without_an_id_has_none_in_its_document() -> None:
    assert to_document(SamplePlace("Linz")) == {"city": "Linz", "lat": None}


def test_etags_differ_when_versions_do() -> None:
    assert format_etag(1) == format_etag(1) != format_etag(2)
