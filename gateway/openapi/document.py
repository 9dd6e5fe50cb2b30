"""The OpenAPI 3.1 document of the HTTP surface."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import HttpBinding, RpcSpec
from gateway.api_surface import edge_rpcs
from gateway.openapi.comments import read_comments
from gateway.openapi.responses import (
    error_responses,
    error_schemas,
    header_components,
    success_headers,
    unused_headers,
)
from gateway.openapi.schemas import SchemaBuilder, descriptor_of, is_required_in_request
from internshipconnect.options.v1 import options_pb2

API_INFO: Final = {
    "title": "InternshipConnect",
    "version": "v1",
    "description": "Students find internships and apply; companies post them and hire.\n\n"
    "JSON over HTTP and gRPC on one port. Errors are `google.rpc.Status`: decide by `details[0].reason`. "
    "Lists of values marked as extensible grow: treat a value that you do not know as unspecified.",
    "contact": {"name": "The operators of this gateway"},
    "license": {"name": "All rights reserved", "identifier": "LicenseRef-All-Rights-Reserved"},
}
EVENT_STREAM_TYPE: Final = "text/event-stream"
EVENT_EXAMPLE: Final = 'id: ntf_01M82MXNND3Z0G5R7K2C4W8Y9B\ndata: {"title": "Offer from Northwind"}\n\n'
_OLDER_PATH_SUFFIXES: Final = ("", "Older", "Oldest", *(f"Oldest{number}" for number in range(2, 9)))
"""Suffixes of the operation IDs of an RPC's older paths."""
_PATH_FIELD = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")


def build_openapi(descriptor_set: Path, server_url: str = "/", *, with_older: bool = False) -> dict[str, Any]:
    """Return the document as JSON data. `descriptor_set` is the file with the comments.

    Older paths are left out, so that a generated client has each RPC once; `with_older` adds them, marked as
    deprecated.
    """
    comments = read_comments(descriptor_set)
    schemas = SchemaBuilder(comments, edge_rpcs())
    operations = _OperationBuilder(schemas, comments, with_older=with_older)
    paths = operations.build_paths() | _probe_paths()
    left_out = unused_headers(with_older=with_older)
    return {
        "openapi": "3.1.0",
        "info": API_INFO,
        "servers": [{"url": server_url, "description": "This gateway"}],
        "tags": operations.build_tags(),
        "security": [{"accessToken": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((schemas.components | error_schemas()).items())),
            "headers": {name: one for name, one in header_components().items() if name not in left_out},
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `accessToken` of signing in. It lives for 15 minutes.",
                },
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "ick_<id>_<secret>",
                    "description": "An API key of a company, for calls that name a scope. It stays the same "
                    "until it expires or is revoked.",
                },
            },
        },
    }


class _OperationBuilder:
    def __init__(self, schemas: SchemaBuilder, comments: Mapping[str, str], *, with_older: bool) -> None:
        self._schemas = schemas
        self._comments = comments
        self._rpcs = edge_rpcs()
        self._with_older = with_older

    def build_tags(self) -> list[dict[str, str]]:
        services = {rpc.service: self._comments.get(rpc.service, "") for rpc in self._rpcs}
        tags = {_tag_name(name): text for name, text in services.items()} | {
            "Gateway": "Probes of the gateway."
        }
        return [{"name": name, "description": text} for name, text in sorted(tags.items())]

    def build_paths(self) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for rpc in self._rpcs:
            for number, binding in enumerate(rpc.http if self._with_older else rpc.http[:1]):
                operation = self._build_operation(rpc, binding, number=number)
                paths.setdefault(_path_template(binding.path), {})[binding.method.lower()] = operation
        return dict(sorted(paths.items()))

    def _build_operation(self, rpc: RpcSpec, binding: HttpBinding, *, number: int) -> dict[str, Any]:
        is_deprecated = number > 0
        comment = self._comments.get(rpc.full_name, "")
        operation: dict[str, Any] = {
            "operationId": rpc.name + _OLDER_PATH_SUFFIXES[number],
            "tags": [_tag_name(rpc.service)],
            "summary": comment.split(". ")[0].split("\n")[0].rstrip("."),
            "description": f"{comment}\n\n{_policy_text(rpc)}",
            "parameters": self._build_parameters(rpc, binding),
            "responses": self._build_responses(rpc, is_deprecated=is_deprecated),
            "security": _security(rpc),
        }
        if binding.body:
            operation["requestBody"] = self._build_request_body(rpc, binding)
        if is_deprecated:
            operation["deprecated"] = True
        return operation

    def _build_parameters(self, rpc: RpcSpec, binding: HttpBinding) -> list[dict[str, Any]]:
        in_path = _path_parameter_names(binding)
        fields = {field.name: field for field in descriptor_of(rpc.request_type).fields}
        parameters = [self._build_parameter(fields[name], "path") for name in in_path]
        if binding.body != "*":
            parameters += [
                self._build_parameter(field, "query")
                for field in fields.values()
                if field.name not in {*in_path, binding.body}
            ]
        return parameters + _header_parameters(rpc)

    def _build_parameter(self, field: FieldDescriptor, location: str) -> dict[str, Any]:
        schema = self._schemas.build_field_schema(field, is_request=True)
        parameter = {
            "name": field.json_name,
            "in": location,
            "description": schema.pop("description", ""),
            "schema": schema,
            "example": schema.pop("examples")[0],
        }
        return parameter | ({"required": True} if location == "path" or is_required_in_request(field) else {})

    def _build_request_body(self, rpc: RpcSpec, binding: HttpBinding) -> dict[str, Any]:
        if rpc.http_body_field:
            return _raw_request_body(rpc)
        request = descriptor_of(rpc.request_type)
        needed = frozenset(field.json_name for field in request.fields if is_required_in_request(field))
        example = self._schemas.examples.build_request_example(rpc.request_type, needed)
        if binding.body == "*":
            in_path = frozenset(_path_parameter_names(binding))
            schema = self._schemas.build_body_schema(request, in_path)
            example = {name: value for name, value in example.items() if name in schema["properties"]}
        else:
            field = request.fields_by_name[binding.body]
            schema = self._schemas.build_field_schema(field, is_request=True)
            example = example[field.json_name]
        required = "$ref" in schema or bool(schema.get("required"))
        content = {"application/json": {"schema": schema, "example": example}}
        return {"description": _body_description(schema), "required": required, "content": content}

    def _build_responses(self, rpc: RpcSpec, *, is_deprecated: bool) -> dict[str, Any]:
        response = descriptor_of(rpc.response_type)
        if rpc.answers_http_body:
            content = _raw_answer(rpc)
        else:
            example = self._schemas.examples.build_message_example(response, is_request=False)
            schema = self._schemas.build_schema_reference(response)
            content = {"application/json": {"schema": schema, "example": example}}
        success = {
            "description": _response_description(self._comments, response),
            "headers": success_headers(rpc, is_deprecated=is_deprecated),
            "content": content,
        }
        return {"200": success} | error_responses(rpc, is_deprecated=is_deprecated)


def _raw_request_body(rpc: RpcSpec) -> dict[str, Any]:
    """Return a body that is a file as it is."""
    schema = {"type": "string", "format": "binary", "maxLength": rpc.max_request_bytes}
    content = {rpc.policy.content_type: {"schema": schema, "example": "(the file)"}}
    return {"description": "The file itself.", "required": True, "content": content}


def _raw_answer(rpc: RpcSpec) -> dict[str, Any]:
    """Return the content of an answer that is not JSON: server-sent events, or a file."""
    if rpc.policy.content_type == EVENT_STREAM_TYPE:
        return {EVENT_STREAM_TYPE: {"schema": {"type": "string"}, "example": EVENT_EXAMPLE}}
    schema = {"type": "string", "format": "binary"}
    return {rpc.policy.content_type: {"schema": schema, "example": "(the file)"}}


def _body_description(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description") or "The fields of the call.")


def _policy_text(rpc: RpcSpec) -> str:
    callers = ", ".join(sorted(rpc.callers - {"SERVICE"}))
    lines = [
        f"Who may call: {callers}{' with a verified e-mail address' if rpc.policy.verified_email else ''}."
    ]
    if rpc.policy.second_factor == options_pb2.SECOND_FACTOR_NEED_EVERYBODY:
        lines.append("The session must have proven a second factor.")
    if rpc.policy.recent_auth_s:
        lines.append(f"The last proof of who calls must be {rpc.policy.recent_auth_s} s old at most.")
    if rpc.api_key_scope:
        lines.append(f"An API key needs the scope {rpc.api_key_scope}.")
    if rpc.policy.deadline_ms:
        lines.append(f"Deadline: {rpc.policy.deadline_ms} ms.")
    lines.append(f"Rate-limit class: {_rate_limit_class(rpc)}.")
    if rpc.policy.shared_cache_s:
        lines.append(f"Shared caches may keep the answer for {rpc.policy.shared_cache_s} s.")
    return " ".join(lines)


def _rate_limit_class(rpc: RpcSpec) -> str:
    name = options_pb2.RateLimitClass.Name(rpc.policy.rate_limit)
    return name.removeprefix("RATE_LIMIT_CLASS_")


def _header_parameters(rpc: RpcSpec) -> list[dict[str, Any]]:
    if rpc.policy.idempotency != options_pb2.IDEMPOTENCY_KEY:
        return []
    text = "A value of your choice that names this request: repeating it gives the first answer for 24 hours."
    schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}
    example = "6f1c2d0e-5a5c-4b8e-9a55-0d8e1f4b7c21"
    name = "Idempotency-Key"
    return [{"name": name, "in": "header", "description": text, "schema": schema, "example": example}]


def _security(rpc: RpcSpec) -> list[dict[str, list[str]]]:
    """Return the ways to be admitted; the scope that a key needs is among its text."""
    ways: list[dict[str, list[str]]] = [{"accessToken": []}]
    if rpc.api_key_scope:
        ways.append({"apiKey": []})
    return [{}, *ways] if rpc.is_public else ways


def _path_parameter_names(binding: HttpBinding) -> list[str]:
    return _PATH_FIELD.findall(binding.path)


def _path_template(path: str) -> str:
    return _PATH_FIELD.sub(lambda field: "{" + _camel_case(field.group(1)) + "}", path)


def _camel_case(name: str) -> str:
    return re.sub(r"_([a-z])", lambda letter: letter.group(1).upper(), name)


def _tag_name(service: str) -> str:
    return service.rsplit(".", 1)[-1].removesuffix("Service")


def _response_description(comments: Mapping[str, str], message: Descriptor) -> str:
    return comments.get(message.full_name, message.name).split("\n")[0]


def _probe_paths() -> dict[str, Any]:
    def response(description: str, status: str) -> dict[str, Any]:
        word = {"type": "string", "description": "The state in a word.", "examples": [status]}
        schema = {
            "type": "object",
            "description": "The state of the gateway.",
            "properties": {"status": word},
            "required": ["status"],
        }
        content = {"application/json": {"schema": schema, "example": {"status": status}}}
        return {"description": description, "content": content}

    def path_item(name: str, summary: str, up: str, down: str, why: str) -> dict[str, Any]:
        return {
            "get": {
                "operationId": name,
                "summary": summary,
                "description": f"{summary}. For load balancers; it takes no token and is not limited.",
                "tags": ["Gateway"],
                "security": [{}],
                "responses": {"200": response("Yes.", up), "503": response(why, down)},
            }
        }

    return {
        "/health": path_item(
            *("GetHealth", "Whether the gateway takes requests", "ok", "draining", "It is shutting down.")
        ),
        "/ready": path_item(
            *("GetReadiness", "Whether every service answers", "ready", "not ready", "One does not.")
        ),
    }
