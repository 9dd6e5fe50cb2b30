"""Spans in SQLite: the newest of a stack, across restarts."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

import orjson

from devstack.traces.spans import SpanEvent, StoredSpan

MAX_SPANS: Final = 1_000_000
PRUNE_SHARE: Final = 20
"""A full store deletes the oldest one in this many, so that it does so seldom."""
MAX_TRACE_SPANS: Final = 10_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spans (
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT NOT NULL, service TEXT NOT NULL,
    name TEXT NOT NULL, kind TEXT NOT NULL, start_us INTEGER NOT NULL, duration_us INTEGER NOT NULL,
    is_error INTEGER NOT NULL, error TEXT NOT NULL, details BLOB NOT NULL,
    PRIMARY KEY (trace_id, span_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_by_service ON spans (service, start_us);
CREATE INDEX IF NOT EXISTS spans_by_start ON spans (start_us);
CREATE INDEX IF NOT EXISTS spans_by_operation ON spans (service, name, kind);
"""
_INSERT: Final = "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TRACE: Final = "SELECT * FROM spans WHERE trace_id = ? ORDER BY start_us, span_id LIMIT ?"


@dataclass(frozen=True)
class TraceQuery:
    """The traces to look for: those with a span that matches all of it. Times are microseconds.

    `attributes` are compared as text; `error` true asks for spans that failed.
    """

    service: str = ""
    operation: str = ""
    start_us: int = 0
    end_us: int = 2**62
    min_duration_us: int = 0
    max_duration_us: int = 2**62
    only_errors: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    limit: int = 20


class TraceStore:
    """Stores spans; one that is sent again is stored once. Safe to use from several threads."""

    def __init__(self, file: Path, *, max_spans: int = MAX_SPANS) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._max_spans = max_spans
        self._lock = Lock()
        self._db = _connect(file)
        self._db.executescript(_SCHEMA)
        self._count = int(self._db.execute("SELECT COUNT(*) FROM spans").fetchone()[0])

    def __len__(self) -> int:
        return self._count

    def add(self, spans: Iterable[StoredSpan]) -> None:
        """Store spans in one transaction, and delete the oldest beyond the bound."""
        rows = [_to_row(span) for span in spans]
        with self._lock, self._db:
            before = self._db.total_changes
            self._db.executemany(_INSERT, rows)
            self._count += self._db.total_changes - before
            if self._count > self._max_spans:
                self._prune()

    def services(self) -> list[str]:
        """Return the names of all services, sorted."""
        return [row[0] for row in self._read("SELECT DISTINCT service FROM spans ORDER BY service")]

    def operations(self, service: str, kind: str = "") -> list[tuple[str, str]]:
        """Return name and kind of a service's operations, sorted; of one kind if asked for."""
        rows = self._read(
            "SELECT DISTINCT name, kind FROM spans WHERE service = ? ORDER BY name, kind", (service,)
        )
        return [(name, found) for name, found in rows if not kind or found == kind]

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """Return the spans of a trace by their start; none if it is not known."""
        rows = self._read(_TRACE, (trace_id, MAX_TRACE_SPANS))
        return [_from_row(row) for row in rows]

    def find(self, query: TraceQuery) -> list[list[StoredSpan]]:
        """Return the newest traces that match, each with all its spans."""
        conditions = ["start_us BETWEEN ? AND ?", "duration_us BETWEEN ? AND ?"]
        values: list[object] = [query.start_us, query.end_us, query.min_duration_us, query.max_duration_us]
        for column, value in (("service", query.service), ("name", query.operation)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        if query.only_errors:
            conditions.append("is_error = 1")
        rows = self._scan(conditions, values, query)
        return [self.trace(trace_id) for trace_id in rows]

    def _scan(self, conditions: Sequence[str], values: Sequence[object], query: TraceQuery) -> list[str]:
        found: dict[str, None] = {}
        where = " AND ".join(conditions)
        sql = f"SELECT trace_id, details FROM spans WHERE {where} ORDER BY start_us DESC"  # noqa: S608 - constants
        with self._lock:
            for trace_id, details in self._db.execute(sql, values):
                if trace_id in found or not _has_attributes(details, query.attributes):
                    continue
                found[trace_id] = None
                if len(found) >= query.limit:
                    break
        return list(found)

    def dependencies(self, start_us: int, end_us: int) -> list[tuple[str, str, int]]:
        """Return caller, called service and number of calls between two times."""
        rows = self._read(
            "SELECT parent.service, child.service, COUNT(*) FROM spans AS child JOIN spans AS parent"
            " ON parent.trace_id = child.trace_id AND parent.span_id = child.parent_id"
            " WHERE child.start_us BETWEEN ? AND ? AND parent.service != child.service"
            " GROUP BY 1, 2 ORDER BY 1, 2",
            (start_us, end_us),
        )
        return [(caller, called, calls) for caller, called, calls in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _prune(self) -> None:
        deleted = self._db.execute(
            "DELETE FROM spans WHERE (trace_id, span_id) IN"
            " (SELECT trace_id, span_id FROM spans ORDER BY start_us LIMIT ?)",
            (max(self._count - self._max_spans, self._max_spans // PRUNE_SHARE),),
        )
        self._count -= deleted.rowcount


def _connect(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, check_same_thread=False)
    # A machine that loses power may lose the last spans; the file stays whole.
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _to_row(span: StoredSpan) -> tuple[object, ...]:
    details = {
        "attributes": span.attributes,
        "process": span.process,
        "events": [asdict(event) for event in span.events],
    }
    return (
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.service,
        span.name,
        span.kind,
        span.start_us,
        span.duration_us,
        int(span.is_error),
        span.error,
        orjson.dumps(details),
    )


def _from_row(row: Sequence[Any]) -> StoredSpan:
    trace_id, span_id, parent_id, service, name, kind, start_us, duration_us, is_error, error, details = row
    details = orjson.loads(details)
    return StoredSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        service=service,
        name=name,
        kind=kind,
        start_us=start_us,
        duration_us=duration_us,
        is_error=bool(is_error),
        error=error,
        attributes=details["attributes"],
        process=details["process"],
        events=tuple(SpanEvent(**event) for event in details["events"]),
    )


def _has_attributes(details: bytes, wanted: dict[str, str]) -> bool:
    if not wanted:
        return True
    stored = orjson.loads(details)
    known = stored["process"] | stored["attributes"]
    return all(key in known and format_value(known[key]) == value for key, value in wanted.items())


def format_value(value: object) -> str:
    """Return an attribute's value as text: booleans as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)
