"""What the contract's option `value` asks of fields: codes that are in a set, whole numbers in doubles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.codes import country_problem, currency_problem, whole_number_problem
from chassis.text import address_problem
from internshipconnect.options.v1 import options_pb2

Check = Callable[[Any], str]

CHECKS: Final[Mapping[int, Check]] = {
    options_pb2.VALUE_COUNTRY: country_problem,
    options_pb2.VALUE_CURRENCY: currency_problem,
    options_pb2.VALUE_WHOLE_NUMBER: whole_number_problem,
    options_pb2.VALUE_EMAIL_ADDRESS: address_problem,
}


@dataclass(frozen=True, slots=True)
class WrongValue:
    """A field that does not hold what it should; `path` leads to it from the request."""

    path: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    is_list: bool
    has_presence: bool
    check: Check | None
    held: str
    """The full name of the message type that it holds; empty for any other type."""


class ValueRules:
    """The rules of a message type and of all that it holds, read once from their contracts."""

    def __init__(self, root: Descriptor) -> None:
        self._root = root.full_name
        self._fields: dict[str, tuple[_Field, ...]] = {}
        self._read(root)
        self._leave_out_what_has_none()

    @property
    def is_needed(self) -> bool:
        """Whether a message of this type can hold any such field."""
        return bool(self._fields[self._root])

    def wrong(self, message: Any) -> list[WrongValue]:
        """Every field of a message that does not hold what it should."""
        return list(self._wrong(message, self._root, ()))

    def _read(self, descriptor: Descriptor) -> None:
        if descriptor.full_name in self._fields:
            return
        self._fields[descriptor.full_name] = ()
        self._fields[descriptor.full_name] = tuple(
            field for field in map(_field, descriptor.fields) if field.check or field.held
        )
        for field in descriptor.fields:
            if field.message_type is not None:
                self._read(field.message_type)

    def _leave_out_what_has_none(self) -> None:
        while True:
            empty = {name for name, fields in self._fields.items() if not fields}
            trimmed = {
                name: tuple(field for field in fields if field.check or field.held not in empty)
                for name, fields in self._fields.items()
            }
            if trimmed == self._fields:
                return
            self._fields = trimmed

    def _wrong(self, message: Any, kind: str, path: tuple[str, ...]) -> Iterator[WrongValue]:
        for field in self._fields[kind]:
            for step, value in _values(message, field):
                if field.check is None:
                    yield from self._wrong(value, field.held, (*path, step))
                elif problem := field.check(value):
                    yield WrongValue((*path, step), problem)


def _field(field: FieldDescriptor) -> _Field:
    held = field.message_type.full_name if field.message_type is not None else ""
    return _Field(
        name=field.name,
        is_list=field.is_repeated,
        has_presence=field.has_presence,
        check=CHECKS.get(field.GetOptions().Extensions[options_pb2.value]),
        held="" if held.startswith("google.protobuf.") else held,
    )


def _values(message: Any, field: _Field) -> Iterator[tuple[str, Any]]:
    """What a field holds, and how a path names it; nothing where it is absent or empty."""
    value = getattr(message, field.name)
    if field.is_list:
        yield from ((f"{field.name}[{index}]", item) for index, item in enumerate(value))
    elif message.HasField(field.name) if field.has_presence else value:
        yield field.name, value
