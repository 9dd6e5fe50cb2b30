"""A guard over Mongo commands: a query goes to one shard, unless it is on the list of scatters."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from chassis.call_context import request_id
from chassis.sharding.shards import current_scatter

QUERIES: Final = {
    "find": ("filter",),
    "aggregate": ("pipeline",),
    "count": ("query",),
    "distinct": ("key", "query"),
    "findAndModify": ("query",),
    "update": ("updates",),
    "delete": ("deletes",),
}
"""By command, the arguments that hold its query."""

_operation: ContextVar[str] = ContextVar("_operation", default="")


class TargetedQueryGuard(CommandListener):
    """Give it to `Shards(listeners=...)`; `check` reports queries that went to several shards.

    The same query on the same collection, sent to more than one shard within one RPC or one `operation`, is a
    scatter. Those made with `Shards.scatter` differ by the function that is scattered, and have to be in
    `allowed`: the short, written list.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)
        self._seen: defaultdict[tuple[str, str], set[Any]] = defaultdict(set)

    @contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Count the queries of the block as one operation."""
        token = _operation.set(name)
        try:
            yield
        finally:
            _operation.reset(token)

    def started(self, event: CommandStartedEvent) -> None:
        operation = _operation.get() or request_id()
        if not operation or event.command_name not in QUERIES or current_scatter.get() in self._allowed:
            return
        self._seen[operation, _described(event.command_name, event.command)].add(event.connection_id)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Raise AssertionError that lists each query that went to several shards and was not on the list."""
        scattered = [
            f"{operation}: {query} went to {len(shards)} shards"
            for (operation, query), shards in self._seen.items()
            if len(shards) > 1
        ]
        assert not scattered, "\n".join(scattered)


def _described(name: str, command: Mapping[str, Any]) -> str:
    sought = ", ".join(f"{part}={command.get(part)!r}" for part in QUERIES[name])
    return f"{name} on {command[name]} with {sought} (scattering {current_scatter.get() or 'nothing'})"
