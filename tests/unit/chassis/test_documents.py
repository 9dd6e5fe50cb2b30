"""Entities as documents: through BSON and back they are equal."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum

import bson
import msgspec
import pytest
from bson.codec_options import CodecOptions

from chassis.mongo.documents import Document, etag, from_document, to_document


class State(StrEnum):
    OPEN = "OPEN"


class Level(Enum):
    HIGH = 3


@dataclass(frozen=True)
class Place:
    city: str
    lat: float | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    id: str
    state: State
    level: Level
    made_at: datetime
    places: tuple[Place, ...] = ()
    closes_at: datetime | None = None
    views: int = 0
    notes: dict[str, Place] = field(default_factory=dict)
    digest: bytes = b""


LISTING = Listing(
    id="int_1",
    state=State.OPEN,
    level=Level.HIGH,
    made_at=datetime(2026, 3, 1, 12, 30, 0, 5000, tzinfo=UTC),
    places=(Place("Berlin", 52.5), Place("Zürich")),
    views=2**40,
    notes={"x": Place("Graz", 47.0)},
    digest=b"\x00\xff",
)


def through_bson(document: Document) -> Document:
    return bson.decode(bson.encode(document), CodecOptions(tz_aware=True, tzinfo=UTC))


def test_an_entity_comes_back_from_bson_as_it_was() -> None:
    assert from_document(Listing, through_bson(to_document(LISTING))) == LISTING


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

    assert from_document(Listing, document) == Listing("int_1", State.OPEN, Level.HIGH, LISTING.made_at)


def test_a_document_of_another_shape_names_the_field() -> None:
    document = to_document(LISTING) | {"places": [{"city": 5}]}

    with pytest.raises(msgspec.ValidationError, match=r"places\[0\].city"):
        from_document(Listing, document)


def test_the_documents_own_fields_are_left_as_they_are() -> None:
    document = to_document(LISTING)
    before = dict(document)

    from_document(Listing, document)

    assert document == before


def test_an_entity_without_an_id_has_none_in_its_document() -> None:
    assert to_document(Place("Linz")) == {"city": "Linz", "lat": None}


def test_etags_differ_when_versions_do() -> None:
    assert etag(1) == etag(1) != etag(2)
