"""Lines of all processes' logs in one form: services, Envoy, MongoDB, Redis, RabbitMQ.

A line without time and level, such as one of a traceback, belongs to the line before.
"""

import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LEVEL_NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in LOG_LEVELS},
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
_REDIS_LEVELS: Final[Mapping[str, str]] = {".": "debug", "-": "info", "*": "info", "#": "warning"}
_ENVOY: Final = re.compile(
    r"\[(?P<time>[\d-]+ [\d:.]+)\]\[\d+\]\[(?P<level>\w+)\](?:\[[\w-]+\])? (?P<text>.*)"
)
_RABBIT: Final = re.compile(r"(?P<time>[\d-]+ [\d:.]+[+-][\d:]+) \[(?P<level>\w+)\] (?P<text>.*)")
_REDIS_LINE: Final = re.compile(r"\d+:\w (?P<time>\d+ \w{3} \d{4} [\d:.]+) (?P<level>[-.*#]) (?P<text>.*)")
_SUPERVISOR: Final = re.compile(r"(?P<time>[\d-]+ [\d:]+,\d+) (?P<level>[A-Z]+) (?P<text>.*)")
_GRPC: Final = re.compile(r"(?P<level>[IWEF])(?P<time>\d{4} [\d:.]+) +\d+ (?P<text>.*)")
_LINE_FIELDS: Final = ("time", "level", "event", "service", "role")
_ID_FIELDS: Final = ("request_id", "trace_id", "event_id")


@dataclass(frozen=True)
class LogLine:
    """One entry of a log; `time` is in Unix seconds, `more` are lines that belong to it."""

    process: str
    time: float
    level: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[str, ...] = ()

    def is_at_least(self, level: str) -> bool:
        """Return whether the level is this one or a graver one."""
        return LOG_LEVELS.index(self.level) >= LOG_LEVELS.index(level)

    def belongs_to(self, id_: str) -> bool:
        """Whether it was written in the request, trace or event with this ID, or this beginning of one."""
        return any(str(self.fields.get(name) or "").startswith(id_) for name in _ID_FIELDS)

    @property
    def trace_id(self) -> str:
        """The trace of its call or event; "" when unknown."""
        return str(self.fields.get("trace_id") or "")


def parse_log_lines(process: str, raw: Iterable[str], since: float = 0.0) -> Iterator[LogLine]:
    """Yield the entries of one file in order; none is older than the one before it, or than `since`."""
    last: LogLine | None = None
    latest = since
    for text in raw:
        found = _parse_line(process, text)
        if found is None and last is not None:
            last = LogLine(last.process, last.time, last.level, last.text, last.fields, (*last.more, text))
            continue
        if last is not None:
            yield last
        last = found or LogLine(process, latest, "info", text)
        latest = max(latest, last.time)
        last = LogLine(process, latest, last.level, last.text, last.fields, last.more)
    if last is not None:
        yield last


def merge_log_lines(of_each: Iterable[Iterable[LogLine]]) -> Iterator[LogLine]:
    """Yield all entries in the order of time."""
    return heapq.merge(*of_each, key=lambda line: line.time)


def _parse_line(process: str, text: str) -> LogLine | None:
    if text.startswith("{"):
        return _parse_json_line(process, text)
    for pattern, moment in _PATTERN_PARSERS:
        if match := pattern.match(text):
            try:
                level = _REDIS_LEVELS.get(match["level"]) or _LEVEL_NAMES.get(match["level"].lower(), "info")
                return LogLine(process, moment(match["time"]), level, match["text"])
            except ValueError:
                return None
    return None


def _parse_json_line(process: str, text: str) -> LogLine | None:
    try:
        fields = json.loads(text)
        return (
            _parse_mongod_fields(process, fields)
            if "t" in fields and "msg" in fields
            else _parse_service_fields(process, fields)
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _parse_service_fields(process: str, fields: dict[str, Any]) -> LogLine:
    rest = {name: value for name, value in fields.items() if name not in _LINE_FIELDS}
    exception = str(rest.pop("exception", "") or "")
    level = _LEVEL_NAMES.get(str(fields.get("level", "info")).lower(), "info")
    text = str(fields.get("event", ""))
    return LogLine(process, _parse_iso_time(fields["time"]), level, text, rest, tuple(exception.splitlines()))


def _parse_mongod_fields(process: str, fields: dict[str, Any]) -> LogLine:
    # MongoDB's level of information is useful only to readers of its log alone.
    level = "debug" if fields["s"] == "I" else _LEVEL_NAMES.get(str(fields["s"])[:1].lower(), "debug")
    return LogLine(
        process, _parse_iso_time(fields["t"]["$date"]), level, str(fields["msg"]), fields.get("attr") or {}
    )


def _parse_iso_time(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _parse_redis_time(text: str) -> float:
    return datetime.strptime(text, "%d %b %Y %H:%M:%S.%f").astimezone().timestamp()


def _parse_local_time(text: str) -> float:
    return datetime.fromisoformat(text.replace(",", ".")).astimezone().timestamp()


def _parse_grpc_time(text: str) -> float:
    year = datetime.now(UTC).year
    return datetime.strptime(f"{year}{text}", "%Y%m%d %H:%M:%S.%f").astimezone().timestamp()


_PATTERN_PARSERS: Final = (
    (_ENVOY, _parse_local_time),
    (_RABBIT, _parse_iso_time),
    (_REDIS_LINE, _parse_redis_time),
    (_SUPERVISOR, _parse_local_time),
    (_GRPC, _parse_grpc_time),
)
