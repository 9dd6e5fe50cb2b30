"""Aggregates, changes of them as values that a repository stores, and reads of many."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

A = TypeVar("A")


class Aggregate(Protocol):
    """A record that is stored and changed as a whole. Most have a `version`, which each change increments."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class AggregateChange(Generic[A]):
    """The aggregate after a change (None: it stays as it is), and the domain events of the change."""

    aggregate: A | None = None
    events: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRead(Generic[A]):
    """What was found under some IDs, and the IDs of which nothing can be said at the moment."""

    items: list[A]
    unavailable_ids: list[str]
