"""Frozen dataclasses to Mongo documents and back.

Times, bytes and numbers stay native, enums are stored by value, tuples as lists, and an entity's
`id` is the document's `_id`. Reading ignores fields that the class does not know, such as `slot`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

Document = dict[str, Any]

_NATIVE: Final = (datetime, bytes)


def to_document(entity: Any, *, slot: int | None = None) -> Document:
    """Return the document of a dataclass instance, with `_id` first and, if given, the slot it lives in."""
    fields: Document = msgspec.to_builtins(entity, builtin_types=_NATIVE)
    document = {"_id": fields.pop("id")} | fields if "id" in fields else fields
    if slot is not None:
        document["slot"] = slot
    return document


def from_document(cls: type[T], document: Mapping[str, Any]) -> T:
    """Return the instance of `cls` that the document holds.

    Raises:
        msgspec.ValidationError: a field is missing or has another type; the message names its path.
    """
    fields = dict(document)
    if "_id" in fields:
        fields["id"] = fields.pop("_id")
    return msgspec.convert(fields, cls, builtin_types=_NATIVE)


def format_etag(version: int) -> str:
    """Return the opaque etag of an entity's version: equal exactly when the versions are."""
    return f"v{version}"
