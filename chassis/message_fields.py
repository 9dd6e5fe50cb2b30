"""Helpers for contract messages: names of enum values, times, a field called `from`."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.clock import truncate_to_milliseconds

E = TypeVar("E", bound=StrEnum)

_UNSPECIFIED = "UNSPECIFIED"


class EnumNames:
    """The values of one enum of the contract, by their names without the enum's prefix.

    The prefix is taken from the value 0, `<PREFIX>UNSPECIFIED`.
    """

    def __init__(self, descriptor: EnumDescriptor) -> None:
        first = descriptor.values_by_number[0].name
        if not first.endswith(_UNSPECIFIED):
            raise ValueError(f"{descriptor.full_name}: value 0 is {first}, not …{_UNSPECIFIED}")
        prefix = first.removesuffix(_UNSPECIFIED)
        self._numbers = {value.name.removeprefix(prefix): value.number for value in descriptor.values}
        self._names = {number: name for name, number in self._numbers.items()}

    def name(self, number: int) -> str:
        """Return the short name of a value, such as `OPEN`. Raises KeyError for a value it does not have."""
        return self._names[number]

    def number(self, member: str | None) -> Any:
        """Return the value of a domain enum's member, or of a short name; 0 for None.

        Raises KeyError for a name it does not have.
        """
        return 0 if member is None else self._numbers[str(member)]

    def member(self, kind: type[E], number: int) -> E:
        """Return the domain enum's member of a value. Raises KeyError or ValueError where there is none."""
        return kind(self._names[number])

    def member_or_none(self, kind: type[E], number: int) -> E | None:
        """Return the domain enum's member of a value; None for UNSPECIFIED."""
        return self.member(kind, number) if number else None


@cache
def enum_names(descriptor: EnumDescriptor) -> EnumNames:
    """Return the names of an enum, made once."""
    return EnumNames(descriptor)


def to_datetime(stamp: Timestamp) -> datetime:
    """Return the time of a timestamp: aware, UTC, cut to the milliseconds that MongoDB keeps."""
    return truncate_to_milliseconds(stamp.ToDatetime(tzinfo=UTC))


def read_timestamp(message: Message, field: str) -> datetime | None:
    """Return the time in a message's field, as `to_datetime`; None when it is absent."""
    return to_datetime(getattr(message, field)) if message.HasField(field) else None


def from_field(message: Message) -> Any:
    """Return the field `from` of a message, which is a keyword in Python."""
    return getattr(message, "from")


def set_from_field(message: Message, value: Any) -> None:
    """Set the scalar field `from` of a message."""
    setattr(message, "from", value)
