"""What processes log, read as one kind of line whoever wrote it: services, Envoy, MongoDB, Redis, RabbitMQ.

A line that says nothing of time or level, such as that of a traceback, belongs to the line before.
"""

import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in LEVELS},
    "trace": "debug",
    "notice": "info",
    "warn": "warning",
    "err": "error",
    "crit": "critical",
    "exception": "error",
    "fatal": "critical",
    "blat": "debug",
    "d": "debug",
    "i": "info",
    "w": "warning",
    "e": "error",
    "f": "critical",
}
_REDIS: Final[Mapping[str, str]] = {".": "debug", "-": "info", "*": "info", "#": "warning"}
_ENVOY: Final = re.compile(
    r"\[(?P<time>[\d-]+ [\d:.]+)\]\[\d+\]\[(?P<level>\w+)\](?:\[[\w-]+\])? (?P<text>.*)"
)
_RABBIT: Final = re.compile(r"(?P<time>[\d-]+ [\d:.]+[+-][\d:]+) \[(?P<level>\w+)\] (?P<text>.*)")
_REDIS_LINE: Final = re.compile(r"\d+:\w (?P<time>\d+ \w{3} \d{4} [\d:.]+) (?P<level>[-.*#]) (?P<text>.*)")
_SUPERVISOR: Final = re.compile(r"(?P<time>[\d-]+ [\d:]+,\d+) (?P<level>[A-Z]+) (?P<text>.*)")
_GRPC: Final = re.compile(r"(?P<level>[IWEF])(?P<time>\d{4} [\d:.]+) +\d+ (?P<text>.*)")
_OF_THE_LINE: Final = ("time", "level", "event", "service", "role")


@dataclass(frozen=True)
class Line:
    """One entry of a log; `time` is in Unix seconds, `more` are lines that belong to it."""

    process: str
    time: float
    level: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[str, ...] = ()

    def is_at_least(self, level: str) -> bool:
        """Whether it is as grave as this, or more."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    def mentions(self, id_: str) -> bool:
        """Whether a field, the text or what belongs to it holds this ID, or its beginning."""
        return id_ in self.text or any(id_ in str(value) for value in (*self.fields.values(), *self.more))

    @property
    def trace_id(self) -> str:
        """Of the call or event that it was written in; empty when unknown."""
        return str(self.fields.get("trace_id") or "")


def lines(process: str, raw: Iterable[str], since: float = 0.0) -> Iterator[Line]:
    """The entries of one file, in its order; no entry is older than the one before, or than `since`."""
    last: Line | None = None
    latest = since
    for text in raw:
        found = _parsed(process, text)
        if found is None and last is not None:
            last = Line(last.process, last.time, last.level, last.text, last.fields, (*last.more, text))
            continue
        if last is not None:
            yield last
        last = found or Line(process, latest, "info", text)
        latest = max(latest, last.time)
        last = Line(process, latest, last.level, last.text, last.fields, last.more)
    if last is not None:
        yield last


def merged(of_each: Iterable[Iterable[Line]]) -> Iterator[Line]:
    """All of them in the order of time."""
    return heapq.merge(*of_each, key=lambda line: line.time)


def _parsed(process: str, text: str) -> Line | None:
    if text.startswith("{"):
        return _json(process, text)
    for pattern, moment in _READERS:
        if match := pattern.match(text):
            try:
                level = _REDIS.get(match["level"]) or _NAMES.get(match["level"].lower(), "info")
                return Line(process, moment(match["time"]), level, match["text"])
            except ValueError:
                return None
    return None


def _json(process: str, text: str) -> Line | None:
    try:
        fields = json.loads(text)
        return _mongos(process, fields) if "t" in fields and "msg" in fields else _ours(process, fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _ours(process: str, fields: dict[str, Any]) -> Line:
    rest = {name: value for name, value in fields.items() if name not in _OF_THE_LINE}
    exception = str(rest.pop("exception", "") or "")
    level = _NAMES.get(str(fields.get("level", "info")).lower(), "info")
    text = str(fields.get("event", ""))
    return Line(process, _iso(fields["time"]), level, text, rest, tuple(exception.splitlines()))


def _mongos(process: str, fields: dict[str, Any]) -> Line:
    # What MongoDB calls information is of interest to whoever looks at MongoDB alone.
    level = "debug" if fields["s"] == "I" else _NAMES.get(str(fields["s"])[:1].lower(), "debug")
    return Line(process, _iso(fields["t"]["$date"]), level, str(fields["msg"]), fields.get("attr") or {})


def _iso(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _redis_time(text: str) -> float:
    return datetime.strptime(text, "%d %b %Y %H:%M:%S.%f").astimezone().timestamp()


def _local(text: str) -> float:
    return datetime.fromisoformat(text.replace(",", ".")).astimezone().timestamp()


def _grpc_time(text: str) -> float:
    year = datetime.now(UTC).year
    return datetime.strptime(f"{year}{text}", "%Y%m%d %H:%M:%S.%f").astimezone().timestamp()


_READERS: Final = (
    (_ENVOY, _local),
    (_RABBIT, _iso),
    (_REDIS_LINE, _redis_time),
    (_SUPERVISOR, _local),
    (_GRPC, _grpc_time),
)
