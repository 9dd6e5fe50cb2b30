"""Domain entities to contract messages and back: fields of one name hold one thing.

A trailing underscore of an entity's field is not part of the name (`from_`), and an enum's members are the
contract's without their prefix. What only one side has, such as a version or an etag, is left alone.
"""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

E = TypeVar("E")
M = TypeVar("M", bound=Message)


def entity_to_message(kind: type[M], entity: Any) -> M:
    """The message of an entity; what is None is absent."""
    message = kind()
    by_name = message.DESCRIPTOR.fields_by_name
    for name, _ in _typed_fields(cast(Any, type(entity))):
        field, value = by_name.get(name.rstrip("_")), getattr(entity, name)
        if field is not None and value is not None:
            _set_field(message, field, value)
    return message


def entity_from_message(kind: type[E], message: Message, **others: Any) -> E:
    """The entity of a message; `others` are values of fields that the message does not have."""
    by_name = message.DESCRIPTOR.fields_by_name
    values = {
        name: _field_value(message, by_name[name.rstrip("_")], hint)
        for name, hint in _typed_fields(cast(Any, kind))
        if name.rstrip("_") in by_name and name not in others
    }
    return kind(**values, **others)


@cache
def _typed_fields(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def _set_field(message: Message, field: Any, value: Any) -> None:
    name = field.name
    if isinstance(value, tuple):
        getattr(message, name).extend(_to_wire(field, item) for item in value)
    elif field.message_type is not None:
        getattr(message, name).CopyFrom(_to_wire(field, value))
    else:
        setattr(message, name, _to_wire(field, value))


def _to_wire(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, StrEnum):
        return _enum_of(field).values_by_name[_enum_prefix(_enum_of(field)) + value].number
    if isinstance(value, datetime):
        stamp = Timestamp()
        stamp.FromDatetime(value)
        return stamp
    if is_dataclass(value):
        return entity_to_message(_class_of(field), value)
    return value


def _field_value(message: Message, field: Any, hint: Any) -> Any:
    name = field.name
    if field.has_presence and not message.HasField(name):
        return None
    if field.is_repeated:
        return tuple(_from_wire(field, item, get_args(hint)[0]) for item in getattr(message, name))
    return _from_wire(field, getattr(message, name), _without_none(hint))


def _from_wire(field: FieldDescriptor, value: Any, kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        enum = _enum_of(field)
        return kind(enum.values_by_number[value].name.removeprefix(_enum_prefix(enum)))
    if kind is int and isinstance(value, float):
        return int(value)  # an amount, which the contract holds as a double
    if kind is datetime:
        return value.ToDatetime(tzinfo=UTC)
    return entity_from_message(kind, value) if isinstance(value, Message) else value


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in {Union, UnionType}:
        return hint
    [kind] = [part for part in get_args(hint) if part is not NoneType]
    return kind


def _class_of(field: FieldDescriptor) -> type[Message]:
    return GetMessageClass(cast(Descriptor, field.message_type))


def _enum_of(field: FieldDescriptor) -> EnumDescriptor:
    return cast(EnumDescriptor, field.enum_type)


def _enum_prefix(enum: EnumDescriptor) -> str:
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
