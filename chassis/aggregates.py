"""Aggregates: what a rule decides about one, as a value that a repository carries out."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

A = TypeVar("A")


class Aggregate(Protocol):
    """A record that is stored and changed as a whole. `version` differs between any two of its states."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...


@dataclass(frozen=True, slots=True)
class AggregateChange(Generic[A]):
    """The aggregate after a change (None: it stays as it is), and the domain events of the change."""

    aggregate: A | None = None
    events: tuple[object, ...] = ()
