"""Checks of the contract's field option `value`: codes of a set, whole numbers in doubles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.iso_codes import find_country_problem, find_currency_problem, find_whole_number_problem
from chassis.text import find_email_address_problem
from internshipconnect.options.v1 import options_pb2

ValueCheck = Callable[[Any], str]

VALUE_CHECKS: Final[Mapping[int, ValueCheck]] = {
    options_pb2.VALUE_COUNTRY: find_country_problem,
    options_pb2.VALUE_CURRENCY: find_currency_problem,
    options_pb2.VALUE_WHOLE_NUMBER: find_whole_number_problem,
    options_pb2.VALUE_EMAIL_ADDRESS: find_email_address_problem,
}


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """A field with an invalid value; `path` leads to it from the request."""

    path: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class _CheckedField:
    name: str
    is_list: bool
    has_presence: bool
    check: ValueCheck | None
    message_type: str
    """The full name of the message type in the field; empty for any other type."""


class ValueRules:
    """The `value` options of a message type and of its nested messages, read once from their contracts."""

    def __init__(self, root: Descriptor) -> None:
        self._root = root.full_name
        self._fields: dict[str, tuple[_CheckedField, ...]] = {}
        self._read(root)
        self._leave_out_what_has_none()

    @property
    def is_needed(self) -> bool:
        """Return whether a message of this type can hold any such field."""
        return bool(self._fields[self._root])

    def find_invalid(self, message: Any) -> list[InvalidValue]:
        """Return every field of a message with an invalid value."""
        return list(self._wrong(message, self._root, ()))

    def _read(self, descriptor: Descriptor) -> None:
        if descriptor.full_name in self._fields:
            return
        self._fields[descriptor.full_name] = ()
        self._fields[descriptor.full_name] = tuple(
            field for field in map(_checked_field, descriptor.fields) if field.check or field.message_type
        )
        for field in descriptor.fields:
            if field.message_type is not None:
                self._read(field.message_type)

    def _leave_out_what_has_none(self) -> None:
        while True:
            empty = {name for name, fields in self._fields.items() if not fields}
            trimmed = {
                name: tuple(field for field in fields if field.check or field.message_type not in empty)
                for name, fields in self._fields.items()
            }
            if trimmed == self._fields:
                return
            self._fields = trimmed

    def _wrong(self, message: Any, kind: str, path: tuple[str, ...]) -> Iterator[InvalidValue]:
        for field in self._fields[kind]:
            for step, value in _field_values(message, field):
                if field.check is None:
                    yield from self._wrong(value, field.message_type, (*path, step))
                elif problem := field.check(value):
                    yield InvalidValue((*path, step), problem)


def _checked_field(field: FieldDescriptor) -> _CheckedField:
    held = field.message_type.full_name if field.message_type is not None else ""
    return _CheckedField(
        name=field.name,
        is_list=field.is_repeated,
        has_presence=field.has_presence,
        check=VALUE_CHECKS.get(field.GetOptions().Extensions[options_pb2.value]),
        message_type="" if held.startswith("google.protobuf.") else held,
    )


def _field_values(message: Any, field: _CheckedField) -> Iterator[tuple[str, Any]]:
    """Yield the values that a field holds, each with its path; none where it is absent or empty."""
    value = getattr(message, field.name)
    if field.is_list:
        yield from ((f"{field.name}[{index}]", item) for index, item in enumerate(value))
    elif message.HasField(field.name) if field.has_presence else value:
        yield field.name, value
