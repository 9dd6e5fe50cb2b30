"""The OpenAPI 3.1 document of the HTTP surface."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import HttpBinding, ReasonSpec, RpcSpec, reasons
from gateway.openapi.comments import read_comments
from gateway.openapi.schemas import Schemas, descriptor_of
from gateway.surface import edge_rpcs
from internshipconnect.errors.v1.reason_pb2 import Reason
from internshipconnect.options.v1 import options_pb2

_PATH_FIELD = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")


def build(descriptor_set: Path, server_url: str = "/") -> dict[str, Any]:
    """The document as JSON data. `descriptor_set` gives the comments."""
    comments = read_comments(descriptor_set)
    schemas = Schemas(comments)
    operations = _Operations(schemas, comments)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "InternshipConnect",
            "version": "v1",
            "description": "Students find internships and apply; companies post them and hire.",
        },
        "servers": [{"url": server_url}],
        "tags": operations.tags(),
        "paths": operations.paths() | _probes(),
        "components": {
            "schemas": {**dict(sorted(schemas.components.items())), "Error": _error_schema()},
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


class _Operations:
    def __init__(self, schemas: Schemas, comments: Mapping[str, str]) -> None:
        self._schemas = schemas
        self._comments = comments
        self._rpcs = edge_rpcs()

    def tags(self) -> list[dict[str, str]]:
        services = dict.fromkeys(rpc.service for rpc in self._rpcs)
        return [{"name": _tag(name), "description": self._comments.get(name, "")} for name in services]

    def paths(self) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for rpc in self._rpcs:
            for number, binding in enumerate(rpc.http):
                operation = self._operation(rpc, binding, older=number > 0, number=number)
                paths.setdefault(_json_path(binding.path), {})[binding.method.lower()] = operation
        return dict(sorted(paths.items()))

    def _operation(self, rpc: RpcSpec, binding: HttpBinding, *, older: bool, number: int) -> dict[str, Any]:
        comment = self._comments.get(rpc.full_name, "")
        operation: dict[str, Any] = {
            "operationId": rpc.name + (f"_{number}" if older else ""),
            "tags": [_tag(rpc.service)],
            "summary": comment.split(". ")[0].split("\n")[0].rstrip("."),
            "description": f"{comment}\n\n{_policy_text(rpc)}",
            "parameters": self._parameters(rpc, binding),
            "responses": self._responses(rpc),
            "security": _security(rpc),
        }
        if binding.body:
            operation["requestBody"] = self._body(rpc, binding)
        if older:
            operation["deprecated"] = True
        return operation

    def _parameters(self, rpc: RpcSpec, binding: HttpBinding) -> list[dict[str, Any]]:
        in_path = _path_fields(binding)
        fields = {field.name: field for field in descriptor_of(rpc.request).fields}
        parameters = [self._parameter(fields[name], "path") for name in in_path]
        if binding.body != "*":
            parameters += [
                self._parameter(field, "query")
                for field in fields.values()
                if field.name not in {*in_path, binding.body}
            ]
        return parameters + _header_parameters(rpc)

    def _parameter(self, field: FieldDescriptor, place: str) -> dict[str, Any]:
        schema = self._schemas.field(field)
        description = schema.pop("description", "")
        parameter = {"name": field.json_name, "in": place, "schema": schema, "description": description}
        return parameter | ({"required": True} if place == "path" else {})

    def _body(self, rpc: RpcSpec, binding: HttpBinding) -> dict[str, Any]:
        if binding.body == "*":
            schema = self._schemas.body(descriptor_of(rpc.request), frozenset(_path_fields(binding)))
        else:
            schema = self._schemas.field(descriptor_of(rpc.request).fields_by_name[binding.body])
        return {"required": True, "content": {"application/json": {"schema": schema}}}

    def _responses(self, rpc: RpcSpec) -> dict[str, Any]:
        if rpc.server_streaming:
            events = {"text/event-stream": {"schema": {"type": "string"}}}
            return {"200": {"description": "Events, as they come.", "content": events}} | _error_responses(
                errors_of(rpc)
            )
        kind = "application/json"
        answer = {kind: {"schema": self._schemas.reference(descriptor_of(rpc.response))}}
        done = {
            "description": _first_sentence(self._comments, descriptor_of(rpc.response)),
            "content": answer,
        }
        return {"200": done} | _error_responses(errors_of(rpc))


def errors_of(rpc: RpcSpec) -> list[ReasonSpec]:
    """Every reason that the call may answer: declared ones and those that follow from its policy."""
    table = reasons()
    names = ["INVALID_FIELD", "MALFORMED_REQUEST", "UNKNOWN_PARAMETER", "PAYLOAD_TOO_LARGE"]
    names += ["TOKEN_INVALID", "TOKEN_EXPIRED", "SESSION_REVOKED"]
    if not rpc.is_public:
        names += ["TOKEN_MISSING", "PERMISSION_DENIED"]
    if rpc.policy.verified_email:
        names.append("EMAIL_NOT_VERIFIED")
    if rpc.policy.idempotency == options_pb2.IDEMPOTENCY_KEY:
        names += ["IDEMPOTENCY_KEY_REUSED", "OPERATION_IN_PROGRESS"]
    names += [Reason.Name(number).removeprefix("REASON_") for number in rpc.policy.errors]
    names += ["RATE_LIMITED", "OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"]
    return [table[name] for name in names]


def _error_responses(errors: Iterable[ReasonSpec]) -> dict[str, Any]:
    by_status: dict[int, list[ReasonSpec]] = {}
    for error in errors:
        by_status.setdefault(error.http_status, []).append(error)
    return {
        str(status): {
            "description": "\n".join(f"- `{error.name}`: {error.help}" for error in group),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, group in sorted(by_status.items())
    }


def _policy_text(rpc: RpcSpec) -> str:
    callers = ", ".join(sorted(rpc.callers - {"SERVICE"}))
    lines = [
        f"Who may call: {callers}{' with a verified e-mail address' if rpc.policy.verified_email else ''}."
    ]
    if rpc.policy.deadline_ms:
        lines.append(f"Deadline: {rpc.policy.deadline_ms} ms.")
    lines.append(f"Rate-limit class: {_rate_limit(rpc)}.")
    if rpc.policy.shared_cache_s:
        lines.append(f"Shared caches may keep the answer for {rpc.policy.shared_cache_s} s.")
    return " ".join(lines)


def _rate_limit(rpc: RpcSpec) -> str:
    name = options_pb2.RateLimitClass.Name(rpc.policy.rate_limit)
    return name.removeprefix("RATE_LIMIT_CLASS_")


def _header_parameters(rpc: RpcSpec) -> list[dict[str, Any]]:
    if rpc.policy.idempotency != options_pb2.IDEMPOTENCY_KEY:
        return []
    text = "A value of your choice that names this request: repeating it gives the first answer for 24 hours."
    schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}
    return [{"name": "Idempotency-Key", "in": "header", "description": text, "schema": schema}]


def _security(rpc: RpcSpec) -> list[dict[str, list[str]]]:
    signed_in: dict[str, list[str]] = {"accessToken": []}
    return [{}, signed_in] if rpc.is_public else [signed_in]


def _path_fields(binding: HttpBinding) -> list[str]:
    return _PATH_FIELD.findall(binding.path)


def _json_path(path: str) -> str:
    return _PATH_FIELD.sub(lambda field: "{" + _camel(field.group(1)) + "}", path)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda letter: letter.group(1).upper(), name)


def _tag(service: str) -> str:
    return service.rsplit(".", 1)[-1].removesuffix("Service")


def _first_sentence(comments: Mapping[str, str], message: Descriptor) -> str:
    return comments.get(message.full_name, message.name).split("\n")[0]


def _probes() -> dict[str, Any]:
    def probe(summary: str, down: str) -> dict[str, Any]:
        return {
            "get": {
                "operationId": summary.split(" ", maxsplit=1)[0].lower(),
                "summary": summary,
                "tags": ["Gateway"],
                "security": [{}],
                "responses": {"200": {"description": "Yes"}, "503": {"description": down}},
            }
        }

    return {
        "/health": probe("Health: whether the gateway takes requests", "It is shutting down"),
        "/ready": probe("Readiness: whether every service behind the gateway answers", "One does not"),
    }


def _error_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "google.rpc.Status: what went wrong, in words and for programs.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {"type": "integer", "description": "google.rpc.Code"},
            "message": {"type": "string"},
            "details": {
                "type": "array",
                "description": "ErrorInfo always, others where they help.",
                "items": {
                    "type": "object",
                    "required": ["@type"],
                    "properties": {
                        "@type": {"type": "string"},
                        "reason": {"type": "string", "enum": sorted(reasons())},
                        "domain": {"type": "string"},
                        "fieldViolations": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "field": {"type": "string"},
                                    "description": {"type": "string"},
                                },
                            },
                        },
                        "retryDelay": {"type": "string", "examples": ["1s"]},
                    },
                },
            },
        },
    }
