"""Messages of the contracts as JSON schemas, field rules included."""

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2

_SCALARS: Mapping[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "int32", "minimum": 0},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_WELL_KNOWN: Mapping[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.FieldMask": {
        "type": "string",
        "description": "Comma-separated paths, e.g. `title,applyDeadline`",
    },
}


class Schemas:
    """Collects the component schemas that a document refers to."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self.components: dict[str, Any] = {}

    def reference(self, message: Descriptor) -> dict[str, Any]:
        """A reference to the message's schema, which is added to the components."""
        if message.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[message.full_name])
        if message.name not in self.components:
            self.components[message.name] = {}
            self.components[message.name] = self._object(message)
        return {"$ref": f"#/components/schemas/{message.name}"}

    def field(self, field: FieldDescriptor) -> dict[str, Any]:
        """The schema of one field with its rules and its comment."""
        rules = rules_of(field)
        schema = self._array(field, rules.repeated) if field.is_repeated else self._value(field, rules)
        comment = self._comments.get(field.full_name)
        if comment and "description" not in schema:
            schema["description"] = comment.removeprefix("Output only; ").removeprefix("Output only.").strip()
        if comment and comment.startswith("Output only"):
            schema["readOnly"] = True
        return {name: value for name, value in schema.items() if value != ""}

    def _object(self, message: Descriptor, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        fields = [field for field in message.fields if field.name not in without]
        schema: dict[str, Any] = {
            "type": "object",
            "description": self._comments.get(message.full_name, ""),
            "properties": {field.json_name: self.field(field) for field in fields},
        }
        required = [field.json_name for field in fields if rules_of(field).required]
        return schema | ({"required": required} if required else {})

    def body(self, message: Descriptor, without: frozenset[str]) -> dict[str, Any]:
        """The schema of a request body: the message without what the path carries."""
        return self._object(message, without)

    def _array(self, field: FieldDescriptor, rules: validate_pb2.RepeatedRules) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": self._value(field, rules.items)}
        if rules.HasField("max_items"):
            schema["maxItems"] = rules.max_items
        if rules.unique:
            schema["uniqueItems"] = True
        return schema

    def _value(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> dict[str, Any]:
        if field.message_type:
            return self.reference(field.message_type)
        if field.enum_type:
            return self._enum(field.enum_type, rules.enum)
        return dict(_SCALARS[field.type]) | _scalar_rules(rules)

    def _enum(self, enum: EnumDescriptor, rules: validate_pb2.EnumRules) -> dict[str, Any]:
        allowed = getattr(rules, "in")
        names = [
            value.name
            for value in enum.values
            if value.number not in rules.not_in and (not allowed or value.number in allowed)
        ]
        return {"type": "string", "enum": names}


def descriptor_of(message: type[Message]) -> Descriptor:
    """A message class's descriptor; the stubs leave open which of two interchangeable kinds it is."""
    return cast(Descriptor, message.DESCRIPTOR)


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The field's rules; empty ones when it declares none."""
    return field.GetOptions().Extensions[validate_pb2.field]


def _scalar_rules(rules: validate_pb2.FieldRules) -> dict[str, Any]:
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string_rules(rules.string)
    if kind in {"int32", "double"}:
        return _number_rules(getattr(rules, kind))
    return {}


def _string_rules(rules: validate_pb2.StringRules) -> dict[str, Any]:
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


def _number_rules(rules: validate_pb2.Int32Rules | validate_pb2.DoubleRules) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if rules.HasField("gte"):
        schema["minimum"] = rules.gte
    if rules.HasField("lte"):
        schema["maximum"] = rules.lte
    return schema
