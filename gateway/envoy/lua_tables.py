"""The tables of the edge's script: paths, and fields of queries and bodies."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import HttpBinding, RpcSpec

ANY_JSON_TYPE: Final = -1
SCALAR_TYPE: Final = 0
SINGULAR_FIELD, LIST_FIELD, MAP_FIELD = 0, 1, 2
_FREE_FORM_TYPES: Final = frozenset({"Any", "Struct", "Value", "ListValue"})
"""Types of google.protobuf with arbitrary JSON; its other types are written as one value."""
_GOOGLE_PACKAGE: Final = "google.protobuf"
_FIELD_MASK: Final = f"{_GOOGLE_PACKAGE}.FieldMask"
_PATH_VARIABLE: Final = re.compile(r"\{([^}=]*)[^}]*\}")


def render_request_tables(rpcs: Iterable[RpcSpec]) -> str:
    """Return Lua code: `TYPES`, the fields of message types, and `BINDINGS`, the calls' HTTP bindings.

    A field is `{JSON name, name in the contract, type, kind}`; its type is an index into `TYPES`, 0 for
    a plain value, -1 for arbitrary JSON. A fifth item says that it holds true or false.
    """
    types = _MessageTypes()
    bindings = [_binding_row(rpc, binding, types) for rpc in rpcs for binding in rpc.http]
    return f"local TYPES = {{\n{types.source()}\n}}\nlocal BINDINGS = {{\n{_join_rows(bindings)}\n}}"


class _MessageTypes:
    """Numbers message types in the order in which they are found."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._known: list[Descriptor] = []

    def number(self, kind: Descriptor) -> int:
        """Return the index of a type; 0 or -1 for one of google.protobuf."""
        if kind.file.package == _GOOGLE_PACKAGE:
            return ANY_JSON_TYPE if kind.name in _FREE_FORM_TYPES else SCALAR_TYPE
        if kind.full_name not in self._numbers:
            self._known.append(kind)
            self._numbers[kind.full_name] = len(self._known)
        return self._numbers[kind.full_name]

    def source(self) -> str:
        # The list grows during this loop.
        return _join_rows(self._row(kind) for kind in self._known)

    def _row(self, kind: Descriptor) -> str:
        return "{" + ", ".join(self._field(field) for field in kind.fields) + "}"

    def _field(self, field: FieldDescriptor) -> str:
        held = _map_value_field(field) or field
        number = self.number(held.message_type) if held.message_type is not None else SCALAR_TYPE
        boolean = ", true" if field.type == FieldDescriptor.TYPE_BOOL else ""
        return f'{{"{field.json_name}", "{field.name}", {number}, {_field_kind(field)}{boolean}}}'


def _map_value_field(field: FieldDescriptor) -> FieldDescriptor | None:
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    value: FieldDescriptor = entry.fields_by_name["value"]
    return value


def _field_kind(field: FieldDescriptor) -> int:
    if not field.is_repeated:
        return SINGULAR_FIELD
    return LIST_FIELD if _map_value_field(field) is None else MAP_FIELD


def _binding_row(rpc: RpcSpec, binding: HttpBinding, types: _MessageTypes) -> str:
    request = cast(Descriptor, rpc.request_type.DESCRIPTOR)
    variables = [_json_path(request, name) for name in _PATH_VARIABLE.findall(binding.path)]
    body = request.fields_by_name.get(binding.body)
    fields = {
        "method": f'"{binding.method}"',
        "path": f'"{_path_segments(binding.path)}"',
        "type": str(types.number(request)),
        "body": f'"{body.json_name if body else binding.body}"',
        "body_type": str(types.number(_message_type_of(body) if body else request)),
        "variables": "{" + ", ".join(f'"{name}"' for name in variables) + "}",
        "is_variable": "{" + ", ".join(f'["{name}"] = true' for name in variables) + "}",
        "mask": _mask_field_of(request) if body else "nil",
        "streams": str(rpc.server_streaming).lower(),
        "is_raw": str(bool(rpc.http_body_field)).lower(),
        "max_bytes": str(rpc.max_request_bytes),
    }
    return "{" + ", ".join(f"{name} = {value}" for name, value in fields.items()) + "}"


def _path_segments(path: str) -> str:
    """Return the segments of a path; a verb is a segment of its own: `api/v1/internships/*/:publish`."""
    return _PATH_VARIABLE.sub("*", path).lstrip("/").replace(":", "/:")


def _message_type_of(field: FieldDescriptor) -> Descriptor:
    return cast(Descriptor, field.message_type)


def _mask_field_of(request: Descriptor) -> str:
    masks = (
        field
        for field in request.fields
        if field.message_type and field.message_type.full_name == _FIELD_MASK
    )
    return next((f'"{field.json_name}"' for field in masks), "nil")


def _json_path(kind: Descriptor, path: str) -> str:
    return ".".join(_json_names(kind, path.split(".")))


def _json_names(kind: Descriptor, steps: list[str]) -> Iterator[str]:
    for step in steps:
        field: FieldDescriptor = kind.fields_by_name[step]
        yield str(field.json_name)
        kind = field.message_type or kind


def _join_rows(rows: Iterable[str]) -> str:
    return ",\n".join(f"  {row}" for row in rows)
