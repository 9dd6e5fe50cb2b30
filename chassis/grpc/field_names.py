"""Names of fields in the caller's spelling; no other module translates them.

Rules and domain checks name a field by its JSON path, from the request or from the object in its body. HTTP
clients know camelCase paths from the body, gRPC clients snake_case paths from the request message.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import RpcSpec
from chassis.errors import DomainError, Violation, join_violations

ORIGINAL_PATH_METADATA_KEY: Final = "x-envoy-original-path"
"""The metadata that marks a call which the gateway transcoded from an HTTP request."""
_STEP: Final = re.compile(r"(\w+)((?:\[[^\]]*\])*)")
_QUOTED_OR_NAME: Final = re.compile(r"""'[^']*'|"[^"]*"|\b[a-z][A-Za-z0-9_]*\b""")


class FieldNameTranslator:
    """The spelling of the fields of one RPC's request."""

    def __init__(self, rpc: RpcSpec) -> None:
        self._request = cast(Descriptor, rpc.request_type.DESCRIPTOR)
        self._response = cast(Descriptor, rpc.response_type.DESCRIPTOR)
        self._body = self._request.fields_by_name.get(rpc.body)
        known = [*list_message_types(self._request), *list_message_types(self._response)]
        held = [field for message in known for field in message.fields]
        self._names = {field.json_name: field.name for field in held if field.json_name != field.name}
        self._json_names = {name: json_name for json_name, name in self._names.items()}

    def translate_error(self, error: DomainError, *, over_http: bool) -> DomainError:
        """Return the same failure with every name of a field in the caller's spelling."""
        if not error.violations:
            return error
        spelled = [
            Violation(
                self.translate_path(one.field, over_http=over_http),
                self.translate_text(one.description, over_http=over_http),
            )
            for one in error.violations
        ]
        is_list = error.message == join_violations(error.violations)
        message = (
            join_violations(spelled) if is_list else self.translate_text(error.message, over_http=over_http)
        )
        return DomainError(
            error.reason,
            message,
            violations=spelled,
            resource=error.resource,
            metadata=error.metadata,
            retry_after_s=error.retry_after_s,
            allowed_transitions=error.allowed_transitions,
        )

    def translate_path(self, path: str, *, over_http: bool) -> str:
        """Return a field's path, in the request or in the object that it is about, in the caller's spelling.

        Any other path (a header) stays as it is.
        """
        steps = self._steps_of(path)
        if steps is None:
            return path
        return _http_path(steps, self._body) if over_http else ".".join(f.name + at for f, at in steps)

    def translate_text(self, text: str, *, over_http: bool) -> str:
        """Return a description with its names of fields in the caller's spelling; quoted words stay."""
        names: Mapping[str, str] = self._json_names if over_http else self._names
        return _QUOTED_OR_NAME.sub(lambda found: names.get(found.group(), found.group()), text)

    def _steps_of(self, path: str) -> list[tuple[FieldDescriptor, str]] | None:
        found = _resolve_path(self._request, path)
        if found is None and self._body is not None and self._body.message_type is not None:
            in_body = _resolve_path(self._body.message_type, path)
            found = [(self._body, ""), *in_body] if in_body is not None else None
        return found if found is not None else _resolve_path(self._response, path)


def _http_path(steps: list[tuple[FieldDescriptor, str]], body: FieldDescriptor | None) -> str:
    """Return the path relative to the body, no deeper than JSON: a mask or a time is one text there."""
    if len(steps) > 1 and steps[0][0] == body:
        steps = steps[1:]
    texts = [
        n for n, (field, _) in enumerate(steps) if field.message_type and _is_well_known(field.message_type)
    ]
    shown = steps[: texts[0] + 1] if texts else steps
    return ".".join(field.json_name + at for field, at in shown)


def _is_well_known(message: Descriptor) -> bool:
    return message.full_name.startswith("google.protobuf.")


def find_field(root: Descriptor, path: str) -> FieldDescriptor | None:
    """Return the field of a message at a path in either spelling; None when there is none."""
    steps = _resolve_path(root, path)
    return steps[-1][0] if steps else None


def list_message_types(root: Descriptor) -> list[Descriptor]:
    """Return a message type and every type that its fields hold, however deep."""
    found, pending = [root], [root]
    while pending:
        for held in _types_of_fields(pending.pop()):
            if held not in found:
                found.append(held)
                pending.append(held)
    return found


def _types_of_fields(descriptor: Descriptor) -> Iterator[Descriptor]:
    return (field.message_type for field in descriptor.fields if field.message_type is not None)


def _resolve_path(root: Descriptor, path: str) -> list[tuple[FieldDescriptor, str]] | None:
    steps: list[tuple[FieldDescriptor, str]] = []
    message: Descriptor | None = root
    for part in path.split("."):
        step = _STEP.fullmatch(part)
        field = _field_named(message, step.group(1)) if step and message is not None else None
        if step is None or field is None:
            return None
        steps.append((field, step.group(2)))
        message = field.message_type
    return steps


def _field_named(message: Descriptor, name: str) -> FieldDescriptor | None:
    found: FieldDescriptor | None = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(
        name
    )
    return found
