"""Bounds on the lists of a request, checked before its rules.

A megabyte holds 300,000 empty items. Checking each against its rules takes seconds, during which the process
answers no call; this check costs no more than the items that the contract admits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2

DEFAULT_MAX_ITEMS: Final = 200
"""For lists without a bound in our contracts, such as the paths of a field mask."""


@dataclass(frozen=True, slots=True)
class OversizedList:
    """A list with more items than its contract admits; `path` leads to it from the request."""

    path: tuple[str, ...]
    max_items: int


@dataclass(frozen=True, slots=True)
class _LimitedField:
    name: str
    message_type: str
    """The full name of the message type in the field; empty for any other type."""
    max_items: int
    """The maximum of items in the list; 0 when the field is no list."""


class ListLimits:
    """The list bounds of a message type and of its nested messages, read once from their contracts."""

    def __init__(self, root: Descriptor) -> None:
        self._root = root.full_name
        self._fields: dict[str, tuple[_LimitedField, ...]] = {}
        self._read(root)

    @property
    def is_needed(self) -> bool:
        """Return whether a message of this type can hold any list at all."""
        return any(field.max_items for fields in self._fields.values() for field in fields)

    def find_oversized(self, message: Any) -> OversizedList | None:
        """Return the first list of a message with too many items; None when all are short enough."""
        return next(self._find_oversized(message, self._root, ()), None)

    def _read(self, descriptor: Descriptor) -> None:
        if descriptor.full_name in self._fields:
            return
        of_interest = [field for field in descriptor.fields if field.is_repeated or field.message_type]
        self._fields[descriptor.full_name] = tuple(_limited_field(field) for field in of_interest)
        for field in of_interest:
            if field.message_type is not None and not _is_map(field):
                self._read(field.message_type)

    def _find_oversized(self, message: Any, kind: str, path: tuple[str, ...]) -> Iterator[OversizedList]:
        for field in self._fields[kind]:
            if field.max_items:
                items = getattr(message, field.name)
                if len(items) > field.max_items:
                    yield OversizedList((*path, field.name), field.max_items)
                elif field.message_type and self._fields[field.message_type]:
                    for number, item in enumerate(items):
                        yield from self._find_oversized(
                            item, field.message_type, (*path, f"{field.name}[{number}]")
                        )
            elif self._fields[field.message_type] and message.HasField(field.name):
                yield from self._find_oversized(
                    getattr(message, field.name), field.message_type, (*path, field.name)
                )


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _limited_field(field: FieldDescriptor) -> _LimitedField:
    held = "" if field.message_type is None or _is_map(field) else field.message_type.full_name
    rules: validate_pb2.RepeatedRules = field.GetOptions().Extensions[validate_pb2.field].repeated
    most = rules.max_items if rules.HasField("max_items") else DEFAULT_MAX_ITEMS
    return _LimitedField(field.name, held, most if field.is_repeated else 0)
