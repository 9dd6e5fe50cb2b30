"""Answers in the document: their headers, and the one form of errors."""

from collections.abc import Iterable
from typing import Any, Final

from chassis.contracts import ERROR_DOMAIN, ReasonSpec, RpcSpec, error_reasons
from gateway.api_surface import OLDER_PATH_HEADERS
from internshipconnect.errors.v1.reason_pb2 import Reason
from internshipconnect.options.v1 import options_pb2

EXAMPLE_REQUEST_ID: Final = "req-7f3c2a"

_TEXT_SCHEMA: Final = {"type": "string"}
_COUNT_SCHEMA: Final = {"type": "integer", "minimum": 0}

DOCUMENTED_HEADERS: Final[dict[str, tuple[str, dict[str, Any], Any]]] = {
    "X-Request-Id": ("Names this call in our logs; quote it in a report.", _TEXT_SCHEMA, EXAMPLE_REQUEST_ID),
    "RateLimit": ("What is left of the call's class (IETF draft).", _TEXT_SCHEMA, '"SEARCH";r=9;t=60'),
    "RateLimit-Policy": ("What the class allows (IETF draft).", _TEXT_SCHEMA, '"SEARCH";q=10;w=60'),
    "X-RateLimit-Limit": ("Requests that the class allows in its window.", _COUNT_SCHEMA, 10),
    "X-RateLimit-Remaining": ("Requests that are left in this window.", _COUNT_SCHEMA, 9),
    "X-RateLimit-Reset": ("Seconds until the window begins again.", _COUNT_SCHEMA, 60),
    "Retry-After": ("Seconds to wait before another try.", _COUNT_SCHEMA, 60),
    "ETag": ("Tag of this answer, for `If-None-Match`.", _TEXT_SCHEMA, 'W/"1f4-2a-3b"'),
    "Cache-Control": ("Whether and for how long the answer may be kept.", _TEXT_SCHEMA, "public, max-age=30"),
    "X-Stale": (
        "`true` when the answer is what was last known, at most ten minutes old.",
        _TEXT_SCHEMA,
        "true",
    ),
    "Deprecation": ("Since when the path is an older one (RFC 9745).", _TEXT_SCHEMA, OLDER_PATH_HEADERS[0]),
    "Sunset": ("From when the path may be gone (RFC 8594).", _TEXT_SCHEMA, OLDER_PATH_HEADERS[1]),
}
"""Each header: its description, its schema, an example."""

_RATE_LIMIT_HEADERS: Final = (
    *("RateLimit", "RateLimit-Policy"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
)
_OLDER_PATH_HEADER_NAMES: Final = ("Deprecation", "Sunset")


def header_components() -> dict[str, Any]:
    """Return the headers as components."""
    return {
        name: {"description": text, "schema": dict(schema), "example": example}
        for name, (text, schema, example) in DOCUMENTED_HEADERS.items()
    }


def success_headers(rpc: RpcSpec, *, is_deprecated: bool) -> dict[str, Any]:
    """Return the headers of a successful answer."""
    public = ("ETag", "Cache-Control", "X-Stale") if rpc.policy.shared_cache_s else ()
    return _header_references(
        "X-Request-Id",
        *_rate_limit_headers(rpc),
        *public,
        *(_OLDER_PATH_HEADER_NAMES if is_deprecated else ()),
    )


def error_responses(rpc: RpcSpec, *, is_deprecated: bool) -> dict[str, Any]:
    """Return every status that may refuse the call, with its reasons."""
    by_status: dict[int, list[ReasonSpec]] = {}
    for error in possible_errors(rpc):
        by_status.setdefault(error.http_status, []).append(error)
    return {
        str(status): {
            "description": "\n".join(f"- `{error.name}`: {error.help}" for error in group),
            "headers": _header_references(
                "X-Request-Id",
                *_rate_limit_headers(rpc),
                *(("Retry-After",) if status in (429, 503) else ()),
                *(_OLDER_PATH_HEADER_NAMES if is_deprecated else ()),
            ),
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                    "example": error_example(group[0]),
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def possible_errors(rpc: RpcSpec) -> list[ReasonSpec]:
    """Return every reason that the call may answer: declared ones and those that follow from its policy."""
    table = error_reasons()
    names = ["INVALID_FIELD", "MALFORMED_REQUEST", "UNKNOWN_PARAMETER", "PAYLOAD_TOO_LARGE"]
    names += ["TOKEN_INVALID", "TOKEN_EXPIRED", "SESSION_REVOKED"]
    if not rpc.is_public:
        names += ["TOKEN_MISSING", "PERMISSION_DENIED"]
    if rpc.policy.verified_email:
        names.append("EMAIL_NOT_VERIFIED")
    if rpc.policy.recent_auth_s:
        names.append("REAUTHENTICATION_REQUIRED")
    if rpc.policy.second_factor != options_pb2.SECOND_FACTOR_NEED_NOBODY:
        names.append("SECOND_FACTOR_MISSING")
    if rpc.api_key_scope:
        names += ["API_KEY_INVALID", "API_KEY_SCOPE_MISSING"]
    if rpc.policy.idempotency == options_pb2.IDEMPOTENCY_KEY:
        names += ["IDEMPOTENCY_KEY_REUSED", "OPERATION_IN_PROGRESS"]
    names += [Reason.Name(number).removeprefix("REASON_") for number in rpc.policy.errors]
    names += ["RATE_LIMITED", "OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"]
    return [table[name] for name in names]


def error_example(error: ReasonSpec) -> dict[str, Any]:
    """Return an error of this reason as a client gets it."""
    info = {
        "@type": _google_rpc_url("ErrorInfo"),
        "reason": error.name,
        "domain": ERROR_DOMAIN,
        "metadata": {},
    }
    details: list[dict[str, Any]] = [info]
    if error.name == "INVALID_FIELD":
        violation = {"field": "pageSize", "description": "must be at least 0 and at most 50"}
        details.append({"@type": _google_rpc_url("BadRequest"), "fieldViolations": [violation]})
    if error.is_retryable:
        details.append({"@type": _google_rpc_url("RetryInfo"), "retryDelay": "1s"})
    details.append({"@type": _google_rpc_url("RequestInfo"), "requestId": EXAMPLE_REQUEST_ID})
    return {"code": error.code.value[0], "message": error.help, "details": details}


def error_schemas() -> dict[str, Any]:
    """Return the schemas of errors: `Error` and its parts."""
    return {
        "Error": _object_schema(
            "google.rpc.Status: what went wrong, in words and for programs.",
            {
                "code": _property_schema("integer", "google.rpc.Code.", 3),
                "message": _property_schema(
                    "string", "For people; it may change.", "title: must not be empty"
                ),
                "details": _array_schema(
                    "ErrorDetail", "ErrorInfo first and always, others where they help."
                ),
            },
            "code",
            "message",
            "details",
        ),
        "ErrorDetail": _detail_schema(),
        "FieldViolation": _object_schema(
            "One field that breaks a rule.",
            {
                "field": _property_schema("string", "Its path as you sent it.", "questions[0].choices"),
                "description": _property_schema("string", "What it wants, in words.", "must not be empty"),
                "reason": _property_schema("string", "Empty: decide by the reason of ErrorInfo.", ""),
            },
            "field",
            "description",
        ),
        "AllowedMove": _object_schema(
            "Something that you can do with the object now.",
            {
                "target": _property_schema(
                    "string", "The state that it leads to.", "INTERNSHIP_STATE_CLOSED"
                ),
                "call": _property_schema("string", "The operation that does it.", "CloseInternship"),
                "http": _property_schema(
                    "string", "The same over HTTP.", "POST /api/v1/internships/{internshipId}:close"
                ),
            },
            "target",
            "call",
            "http",
        ),
    }


def _detail_schema() -> dict[str, Any]:
    reason = _property_schema("string", "Of ErrorInfo: decide by this; new ones may come.", "INVALID_FIELD")
    reason["x-extensible-enum"] = sorted(error_reasons())
    values = {"type": "object", "additionalProperties": {"type": "string"}, "examples": [{"state": "OPEN"}]}
    return _object_schema(
        "A detail of an error; `@type` says which, and with it which of the other fields are there.",
        {
            "@type": _property_schema("string", "Which detail it is.", _google_rpc_url("ErrorInfo")),
            "reason": reason,
            "domain": _property_schema("string", "Of ErrorInfo.", ERROR_DOMAIN),
            "metadata": {**values, "description": "Of ErrorInfo: what belongs to the reason."},
            "fieldViolations": _array_schema("FieldViolation", "Of BadRequest."),
            "state": _property_schema(
                "string", "Of AllowedMoves: the present state.", "INTERNSHIP_STATE_DRAFT"
            ),
            "moves": _array_schema("AllowedMove", "Of AllowedMoves: what you can do now."),
            "retryDelay": _property_schema("string", "Of RetryInfo: how long to wait.", "1s"),
            "resourceType": _property_schema("string", "Of ResourceInfo: the kind of object.", "internship"),
            "resourceName": _property_schema(
                "string", "Of ResourceInfo: its ID.", "int_01M82MXNND3Z0G5R7K2C4W8Y9B"
            ),
            "requestId": _property_schema(
                "string", "Of RequestInfo: quote it in a report.", EXAMPLE_REQUEST_ID
            ),
        },
        "@type",
    )


def _object_schema(description: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required),
    }


def _property_schema(kind: str, description: str, example: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, "examples": [example]}


def _array_schema(schema: str, description: str) -> dict[str, Any]:
    items = {"$ref": f"#/components/schemas/{schema}"}
    return {"type": "array", "description": description, "items": items}


def _google_rpc_url(name: str) -> str:
    return f"type.googleapis.com/google.rpc.{name}"


def _rate_limit_headers(rpc: RpcSpec) -> tuple[str, ...]:
    return () if rpc.policy.rate_limit == options_pb2.RATE_LIMIT_CLASS_INTERNAL else _RATE_LIMIT_HEADERS


def _header_references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def unused_headers(*, with_older: bool) -> Iterable[str]:
    """Return the headers that no answer of the document has."""
    return () if with_older else _OLDER_PATH_HEADER_NAMES
