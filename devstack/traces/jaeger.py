"""Stored traces as the JSON of Jaeger's query API, and its query parameters as a `TraceQuery`.

Source: the HTTP API of Jaeger 1.x (`/api/traces`, `/api/services`, `/api/dependencies`), which its page and
Grafana's data source use.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from devstack.traces.spans import Attributes, StoredSpan
from devstack.traces.store import TraceQuery

MAX_LIMIT: Final = 1_500
_TRACE_ID: Final = re.compile(r"[0-9a-f]{1,32}")
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(us|µs|ms|s|m|h)")
_MICROSECONDS: Final = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_MAX_MICROSECONDS: Final = 2**62


class ParameterError(ValueError):
    """A query parameter is not valid; the message names it and says what it may be."""


def parse_trace_id(text: str) -> str:
    """Return a trace ID with its leading zeros. Raises ParameterError if it is none."""
    lowered = text.lower()
    if not _TRACE_ID.fullmatch(lowered):
        raise ParameterError("a trace ID has up to 32 hexadecimal digits")
    return lowered.zfill(32)


def parse_query(parameters: Mapping[str, str]) -> TraceQuery:
    """Return the query of `GET /api/traces`. Raises ParameterError."""
    attributes = _parse_tags(parameters.get("tags", ""))
    only_errors = attributes.get("error") == "true"
    if only_errors:
        del attributes["error"]
    return TraceQuery(
        service=parameters.get("service", ""),
        operation=parameters.get("operation", ""),
        start_us=parse_number(parameters, "start", 0),
        end_us=parse_number(parameters, "end", _MAX_MICROSECONDS),
        min_duration_us=_parse_duration(parameters, "minDuration", 0),
        max_duration_us=_parse_duration(parameters, "maxDuration", _MAX_MICROSECONDS),
        only_errors=only_errors,
        attributes=attributes,
        limit=_parse_limit(parameters),
    )


def parse_number(parameters: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number of a parameter, or the default. Raises ParameterError."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or int(text[:20]) > _MAX_MICROSECONDS:
        raise ParameterError(f"{name} is no whole number of at most {_MAX_MICROSECONDS}")
    return int(text)


def encode_trace(spans: Sequence[StoredSpan]) -> dict[str, Any]:
    """Return a trace as Jaeger's JSON; spans of one process share its entry."""
    processes: dict[str, dict[str, Any]] = {}
    encoded = []
    for span in spans:
        process = {"serviceName": span.service, "tags": _encode_tags(span.process)}
        key = next((key for key, known in processes.items() if known == process), f"p{len(processes) + 1}")
        processes.setdefault(key, process)
        encoded.append(_encode_span(span, key))
    return {
        "traceID": spans[0].trace_id,
        "spans": encoded,
        "processes": processes,
        "warnings": None,
    }


def _encode_span(span: StoredSpan, process: str) -> dict[str, Any]:
    parent = {"refType": "CHILD_OF", "traceID": span.trace_id, "spanID": span.parent_id}
    tags = span.attributes | {"span.kind": span.kind}
    if span.is_error:
        tags |= {"error": True, "otel.status_code": "ERROR", "otel.status_description": span.error}
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "flags": 1,
        "operationName": span.name,
        "references": [parent] if span.parent_id else [],
        "startTime": span.start_us,
        "duration": span.duration_us,
        "tags": _encode_tags(tags),
        "logs": [
            {"timestamp": event.at_us, "fields": _encode_tags({"event": event.name, **event.attributes})}
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _encode_tags(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "type": _tag_type(value), "value": value} for key, value in attributes.items()]


def _tag_type(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
    return "string"


def _parse_tags(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        tags = orjson.loads(text)
    except orjson.JSONDecodeError:
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise ParameterError('tags is no JSON object of texts, such as {"error":"true"}')
    return tags


def _parse_duration(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    found = _DURATION.fullmatch(text)
    if not found:
        raise ParameterError(f"{name} is no duration such as 100ms, 1.5s or 2m")
    return min(int(float(found[1]) * _MICROSECONDS[found[2]]), _MAX_MICROSECONDS)


def _parse_limit(parameters: Mapping[str, str]) -> int:
    limit = parse_number(parameters, "limit", TraceQuery.limit)
    if not 1 <= limit <= MAX_LIMIT:
        raise ParameterError(f"limit is no number from 1 to {MAX_LIMIT}")
    return limit
