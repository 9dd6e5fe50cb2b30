"""Field masks (AIP-134, AIP-161): the parts of a message that a partial update changes."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.call_context import current_call
from chassis.errors import Violation, invalid_argument

MASK_FIELD_PATH: Final = "updateMask"
MASK_SOURCE_METADATA_KEY: Final = "x-ic-mask-from"
"""The metadata by which the gateway marks a mask that it derived from the body's fields."""
MASK_SOURCE_BODY: Final = "body"
_WELL_KNOWN: Final = "google.protobuf"
"""The package whose message types count as one value each."""


def changed_paths(message: Message, mask: FieldMask, *, writable: Collection[str]) -> tuple[str, ...]:
    """Return the paths that an update with this body and mask changes, each once, in sorted order.

    `writable` lists the units of change, e.g. `name`, `student.headline`, `student.location`; others are
    read-only. A mask may name a unit, a part of one (`student.location.city`) or a parent of several
    (`student`: all of its units). Without a mask the fields that the body holds are changed, each at its own
    depth: a nested message changes only the fields that it holds, a list or map is replaced as a whole. The
    gateway names them, as JSON distinguishes an empty field from an absent one; in a gRPC message a field
    without presence counts as held when it is not empty. Read-only fields in the body are ignored, so that an
    answer can be sent back.

    Raises INVALID_FIELD with one violation for each unknown or read-only path of the mask.
    """
    is_from_body = current_call().metadata_text(MASK_SOURCE_METADATA_KEY) == MASK_SOURCE_BODY
    paths = mask.paths if mask.paths or is_from_body else tuple(_held_paths(message))
    may_be_read_only = is_from_body or not mask.paths
    if wrong := tuple(
        _mask_violations(_descriptor_of(message), paths, None if may_be_read_only else writable)
    ):
        raise invalid_argument(*wrong)
    named = {unit for path in paths for unit in _writable_units(path, writable)}
    return tuple(sorted(path for path in named if not any(_is_below(path, other) for other in named)))


def apply_mask(target: Message, source: Message, paths: Iterable[str]) -> None:
    """Copy each path from `source` to `target` (same type); a path that `source` does not hold is cleared.

    Raises ValueError for a path that the message type does not have.
    """
    if target.DESCRIPTOR.full_name != source.DESCRIPTOR.full_name:
        raise ValueError(f"cannot copy {source.DESCRIPTOR.full_name} into {target.DESCRIPTOR.full_name}")
    for path in paths:
        if _find_field(_descriptor_of(target), path) is None:
            raise ValueError(f"{target.DESCRIPTOR.full_name} has no field {path}")
        _copy_path(target, source, path.split("."))


def _descriptor_of(message: Message) -> Descriptor:
    return cast(Descriptor, message.DESCRIPTOR)


def _mask_violations(
    kind: Descriptor, paths: Iterable[str], writable: Collection[str] | None
) -> Iterator[Violation]:
    for path in dict.fromkeys(paths):
        if _find_field(kind, path) is None:
            yield Violation(MASK_FIELD_PATH, f"there is no field `{path}`")
        elif writable is not None and not _writable_units(path, writable):
            yield Violation(MASK_FIELD_PATH, f"`{path}` is read-only")


def _writable_units(path: str, writable: Collection[str]) -> tuple[str, ...]:
    if any(path == unit or _is_below(path, unit) for unit in writable):
        return (path,)
    return tuple(unit for unit in writable if _is_below(unit, path))


def _is_below(path: str, parent: str) -> bool:
    return path.startswith(parent + ".")


def _find_field(kind: Descriptor, path: str) -> FieldDescriptor | None:
    """Return the field at a path; None when there is none, or the path leads into a list or map."""
    name, _, rest = path.partition(".")
    field: FieldDescriptor | None = kind.fields_by_name.get(name)
    if field is None or not rest:
        return field
    if field.is_repeated or field.message_type is None:
        return None
    return _find_field(field.message_type, rest)


def _held_paths(message: Message) -> Iterator[str]:
    """Yield the paths of the fields that a message holds, each as deep as it goes."""
    for field, value in message.ListFields():
        if _is_parent(field):
            yield from (f"{field.name}.{path}" for path in _held_paths(value))
        else:
            yield field.name


def _is_parent(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return not field.is_repeated and kind is not None and kind.file.package != _WELL_KNOWN


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return message.HasField(field.name)
    value: Any = getattr(message, field.name)
    return len(value) > 0 if field.is_repeated else bool(value != field.default_value)


def _copy_path(target: Message, source: Message, steps: list[str]) -> None:
    name, *rest = steps
    field = _descriptor_of(target).fields_by_name[name]
    if rest:
        if source.HasField(name) or target.HasField(name):
            _copy_path(getattr(target, name), getattr(source, name), rest)
        return
    target.ClearField(name)
    if not _is_set(source, field):
        return
    if field.is_repeated or field.message_type is not None:
        getattr(target, name).MergeFrom(getattr(source, name))
        if not field.is_repeated:
            getattr(target, name).SetInParent()
    else:
        setattr(target, name, getattr(source, name))
