"""Aggregates, and changes of them as values that a repository stores."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

A = TypeVar("A")


class Aggregate(Protocol):
    """A record that is stored and changed as a whole. Each of its states has another `version`."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...


@dataclass(frozen=True, slots=True)
class AggregateChange(Generic[A]):
    """The aggregate after a change (None: it stays as it is), and the domain events of the change."""

    aggregate: A | None = None
    events: tuple[object, ...] = ()
