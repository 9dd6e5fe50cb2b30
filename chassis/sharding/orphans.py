"""Conditions on queries while slots move: documents of orphans do not count.

A shard then holds documents of slots that another shard owns: copies that are on their way to it, or what has
been left behind on it. A reader of the whole shard must not see them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from chassis.mongo.documents import Document
from chassis.sharding.slot_map import to_slot_ranges

SLOT_FIELD: Final = "slot"
"""Where a document names its slot. Every collection declares this one (`CollectionSpec.slot_field`), but for
the shard's own, which are read through `Shard.unscoped`, which has no orphans."""


def exclude_slots(slots: Collection[int]) -> Document | None:
    """Return the condition that leaves documents of these slots out; None when there are no such slots."""
    if not slots:
        return None
    return {"$nor": [{SLOT_FIELD: {"$gte": span.first, "$lte": span.last}} for span in to_slot_ranges(slots)]}


def narrow_query(query: Mapping[str, Any] | None, condition: Document) -> Document:
    """Return the query with one more condition."""
    return {"$and": [query, condition]} if query else condition


def narrow_pipeline(pipeline: Sequence[Mapping[str, Any]], condition: Document) -> list[Mapping[str, Any]]:
    """Return the pipeline, on fewer documents.

    The condition joins a first `$match`, as indexes and `$text` need. Not provided for are stages that read
    other collections or have to be the first one: no service has any.
    """
    first, rest = pipeline[:1], pipeline[1:]
    if first and "$match" in first[0]:
        return [{"$match": narrow_query(first[0]["$match"], condition)}, *rest]
    return [{"$match": condition}, *pipeline]
