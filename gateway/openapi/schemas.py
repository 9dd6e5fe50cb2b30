"""Messages of the contracts as JSON schemas, field rules included.

A message of requests and responses has two schemas. In a response every printed field is required, and an
enum is an open list, since new values may be added. A sent schema, `...Input`, lacks the fields that only the
server sets, requires those that the rules require, and lists the accepted values of an enum.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from chassis.contracts import RpcSpec
from chassis.grpc.field_names import list_message_types
from chassis.grpc.rule_descriptions import field_rules_of
from gateway.api_surface import is_output_only
from gateway.openapi.examples import ExampleBuilder, FieldRules

_SCALAR_SCHEMAS: Mapping[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "int32", "minimum": 0},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_WELL_KNOWN_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
}
_OUTPUT_ONLY: Final = re.compile(r"^Output only[;.] *")


class SchemaBuilder:
    """Collects the component schemas that a document refers to."""

    def __init__(self, comments: Mapping[str, str], rpcs: Iterable[RpcSpec]) -> None:
        self._comments = comments
        self._response_messages = {
            message.full_name
            for rpc in rpcs
            for message in list_message_types(descriptor_of(rpc.response_type))
        }
        self.components: dict[str, Any] = {}
        self.examples = ExampleBuilder(comments)

    def build_schema_reference(self, message: Descriptor, *, is_request: bool = False) -> dict[str, Any]:
        """Return a reference to the message's schema, which is added to the components."""
        if message.full_name in _WELL_KNOWN_SCHEMAS:
            return dict(_WELL_KNOWN_SCHEMAS[message.full_name])
        is_input = is_request and message.full_name in self._response_messages
        name = f"{message.name}Input" if is_input else message.name
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = self._build_object_schema(message, is_request=is_request)
        return {"$ref": f"#/components/schemas/{name}"}

    def build_field_schema(self, field: FieldDescriptor, *, is_request: bool = False) -> dict[str, Any]:
        """Return the schema of one field with its rules, its comment and an example."""
        rules = field_rules_of(field)
        if field.is_repeated:
            schema = self._build_array_schema(field, rules.repeated, is_request)
        else:
            schema = self._build_item_schema(field, rules, is_request)
        if comment := self._comments.get(field.full_name):
            schema["description"] = _capitalised(_OUTPUT_ONLY.sub("", comment))
        if is_output_only(field):
            schema["readOnly"] = True
        if "$ref" not in schema and "$ref" not in schema.get("items", {}):
            schema["examples"] = [self.examples.build_field_example(field, is_request=is_request)]
        return schema

    def build_body_schema(self, message: Descriptor, excluded_fields: frozenset[str]) -> dict[str, Any]:
        """Return the schema of a request body: the message without the fields of the path."""
        return self._build_object_schema(message, excluded_fields, is_request=True)

    def _build_object_schema(
        self, message: Descriptor, excluded_fields: frozenset[str] = frozenset(), *, is_request: bool
    ) -> dict[str, Any]:
        fields = [field for field in message.fields if field.name not in excluded_fields]
        if is_request:
            fields = [field for field in fields if not is_output_only(field)]
        is_required = is_required_in_request if is_request else is_required_in_response
        required = [field.json_name for field in fields if is_required(field)]
        schema: dict[str, Any] = {
            "type": "object",
            "description": self._comments.get(message.full_name, ""),
            "properties": {
                field.json_name: self.build_field_schema(field, is_request=is_request) for field in fields
            },
        }
        return schema | ({"required": required} if required else {})

    def _build_array_schema(
        self, field: FieldDescriptor, rules: validate_pb2.RepeatedRules, is_request: bool
    ) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "array",
            "items": self._build_item_schema(field, rules.items, is_request),
        }
        for name, limit in (("min_items", "minItems"), ("max_items", "maxItems")):
            if rules.HasField(cast(Any, name)):
                schema[limit] = getattr(rules, name)
        return schema | ({"uniqueItems": True} if rules.unique else {})

    def _build_item_schema(
        self, field: FieldDescriptor, rules: validate_pb2.FieldRules, is_request: bool
    ) -> dict[str, Any]:
        if field.message_type:
            return self.build_schema_reference(field.message_type, is_request=is_request)
        if field.enum_type:
            return _enum_schema(field, rules) if is_request else _open_enum_schema(field.enum_type)
        return dict(_SCALAR_SCHEMAS[field.type]) | _scalar_constraints(rules)


def descriptor_of(message: type[Message]) -> Descriptor:
    """Return a message class's descriptor; the stubs leave open which of two interchangeable kinds it is."""
    return cast(Descriptor, message.DESCRIPTOR)


def is_required_in_response(field: FieldDescriptor) -> bool:
    """Return whether the transcoder prints the field even when it is empty, as it cannot be absent."""
    return field.is_repeated or not field.has_presence


def is_required_in_request(field: FieldDescriptor) -> bool:
    """Return whether a request without the field breaks one of its rules."""
    behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    rules = field_rules_of(field)
    if rules.required or field_behavior_pb2.REQUIRED in behaviour:
        return True
    if field.is_repeated:
        return rules.repeated.min_items > 0
    return not field.has_presence and _rejects_empty_value(rules)


def _rejects_empty_value(rules: validate_pb2.FieldRules) -> bool:
    """Return whether the rules refuse the empty value."""
    text, number = rules.string, rules.enum
    if rules.WhichOneof("type") == "string":
        return bool(text.min_len or text.email or (text.pattern and not re.search(text.pattern, "")))
    chosen = getattr(number, "in")
    return rules.WhichOneof("type") == "enum" and (0 in number.not_in or (bool(chosen) and 0 not in chosen))


def _enum_schema(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> dict[str, Any]:
    chosen, values = getattr(rules.enum, "in"), cast(EnumDescriptor, field.enum_type).values
    refused = {*rules.enum.not_in, *([0] if is_required_in_request(field) else [])}
    names = [
        value.name
        for value in values
        if value.number not in refused and (not chosen or value.number in chosen)
    ]
    return {"type": "string", "enum": names}


def _open_enum_schema(enum: EnumDescriptor) -> dict[str, Any]:
    """Return a schema with the known values; a client has to tolerate others."""
    return {"type": "string", "x-extensible-enum": [value.name for value in enum.values]}


def _scalar_constraints(rules: FieldRules) -> dict[str, Any]:
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string_constraints(rules.string)
    if kind in {"int32", "int64", "double"}:
        return _number_constraints(getattr(rules, kind))
    return {}


def _string_constraints(rules: validate_pb2.StringRules) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if rules.HasField("min_len"):
        schema["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        schema["maxLength"] = rules.max_len
    if rules.HasField("pattern"):
        schema["pattern"] = rules.pattern
    if rules.email:
        schema["format"] = "email"
    return schema


def _number_constraints(rules: validate_pb2.Int32Rules | validate_pb2.DoubleRules) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if rules.HasField("gte"):
        schema["minimum"] = rules.gte
    if rules.HasField("lte"):
        schema["maximum"] = rules.lte
    return schema


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
