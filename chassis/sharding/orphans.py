"""Conditions that exclude orphans from queries while slots move.

A shard then holds documents of slots that another shard owns: copies on their way to it, or remains of slots
that have left. A reader of the whole shard must not see them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from chassis.mongo.documents import Document
from chassis.sharding.slot_map import to_slot_ranges

SLOT_FIELD: Final = "slot"
"""The field with a document's slot.

Every collection declares it (`CollectionSpec.slot_field`), except the shard's own, which are read through
`Shard.unscoped` and have no orphans.
"""


def exclude_slots(slots: Collection[int]) -> Document | None:
    """Return the condition that excludes documents of these slots; None for no slots."""
    if not slots:
        return None
    return {"$nor": [{SLOT_FIELD: {"$gte": span.first, "$lte": span.last}} for span in to_slot_ranges(slots)]}


def narrow_query(query: Mapping[str, Any] | None, condition: Document) -> Document:
    """Return the query with one more condition."""
    return {"$and": [query, condition]} if query else condition


def narrow_pipeline(pipeline: Sequence[Mapping[str, Any]], condition: Document) -> list[Mapping[str, Any]]:
    """Return the pipeline restricted to documents that match the condition.

    The condition joins a first `$match`, as indexes and `$text` require. Stages that read other collections
    or have to be the first one are not supported: no service has any.
    """
    first, rest = pipeline[:1], pipeline[1:]
    if first and "$match" in first[0]:
        return [{"$match": narrow_query(first[0]["$match"], condition)}, *rest]
    return [{"$match": condition}, *pipeline]
