"""Examples for the document: from a field's comment (`e.g. ...`) or from its rules."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from protovalidate import Validator

from buf.validate import validate_pb2
from chassis.grpc.rule_descriptions import allowed_enum_names, item_rules_of
from gateway.api_surface import is_output_only
from internshipconnect.options.v1 import options_pb2

FieldRules = validate_pb2.FieldRules

_EXAMPLE_IN_COMMENT: Final = re.compile(r"e\.g\. `([^`]+)`")
_ID_PATTERN: Final = re.compile(r"\^\(?([a-z]+)_\[0-7\]")
_ID_PART: Final = "01M82MXNND3Z0G5R7K2C4W8Y9B"
_EXAMPLE_TIME: Final = "2027-06-01T12:00:00Z"
_CANDIDATE_TEXTS: Final = (
    "v3",
    "DE",
    "EUR",
    "2027-06",
    "2027-06-01",
    "https://example.com",
    "12345678",
    "en-GB",
    "B2",
)
"""Tried in turn for a pattern without an example in its field's comment."""


class ExampleBuilder:
    """Examples of messages and fields as JSON writes them."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._validator = Validator()

    def build_field_example(self, field: FieldDescriptor, *, is_request: bool) -> Any:
        """Return a value of the field; for a list, a list with one item."""
        item = self._build_item_example(field, is_request=is_request)
        return [item] if field.is_repeated else item

    def build_message_example(self, message: Descriptor, *, is_request: bool) -> dict[str, Any]:
        """Return an object with all fields that are sent or answered."""
        fields = [field for field in message.fields if not (is_request and is_output_only(field))]
        return {field.json_name: self.build_field_example(field, is_request=is_request) for field in fields}

    def build_request_example(self, message: type[Message], needed: frozenset[str]) -> dict[str, Any]:
        """Return a request that the contract accepts, with all fields, or fewer if these are exclusive.

        `needed` names the required fields by their JSON names.
        """
        full = self.build_message_example(cast(Descriptor, message.DESCRIPTOR), is_request=True)
        return next(
            (one for one in _candidate_requests(full, needed) if self._is_accepted(message, one)), full
        )

    def _is_accepted(self, message: type[Message], example: dict[str, Any]) -> bool:
        try:
            return not self._validator.collect_violations(ParseDict(example, message()))
        except ParseError:
            return False

    def _build_item_example(self, field: FieldDescriptor, *, is_request: bool) -> Any:
        policy: options_pb2.FieldPolicy = field.GetOptions().Extensions[options_pb2.field]
        if policy.example:
            return json.loads(policy.example)
        if field.message_type is not None:
            return self._build_nested_example(
                field.message_type, self._find_comment_example(field), is_request=is_request
            )
        if field.enum_type is not None:
            return _example_enum(field)
        shown = self._find_comment_example(field)
        return _example_from_rules(field) if shown is None else _parse_example(field, shown)

    def _build_nested_example(self, message: Descriptor, shown: str | None, *, is_request: bool) -> Any:
        if message.full_name == "google.protobuf.Timestamp":
            return shown or _EXAMPLE_TIME
        if message.full_name == "google.protobuf.FieldMask":
            return shown or "name"
        if message.full_name == "google.protobuf.Struct":
            return {}
        return self.build_message_example(message, is_request=is_request)

    def _find_comment_example(self, field: FieldDescriptor) -> str | None:
        found = _EXAMPLE_IN_COMMENT.search(self._comments.get(field.full_name, ""))
        return found.group(1) if found else None


def _candidate_requests(full: dict[str, Any], needed: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield all fields, then all but one, then only the needed ones with at most one more."""
    optional = [name for name in full if name not in needed]
    yield full
    for left_out in optional:
        yield {name: value for name, value in full.items() if name != left_out}
    least = {name: value for name, value in full.items() if name in needed}
    yield least
    for more in optional:
        yield {**least, more: full[more]}


def _example_enum(field: FieldDescriptor) -> str:
    names = allowed_enum_names(item_rules_of(field).enum, field)
    return names[0] if names else cast(EnumDescriptor, field.enum_type).values[0].name


def _parse_example(field: FieldDescriptor, shown: str) -> Any:
    is_text = field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
    return shown if is_text else json.loads(shown)


def _example_from_rules(field: FieldDescriptor) -> Any:
    rules = item_rules_of(field)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type != FieldDescriptor.TYPE_STRING:
        return _example_number(rules)
    if rules.string.email:
        return "sam@example.com"
    return _example_text(rules.string.pattern)


def _example_number(rules: FieldRules) -> Any:
    kind = rules.WhichOneof("type")
    bounds = getattr(rules, kind) if kind else None
    return max(1, bounds.gte) if bounds is not None and bounds.gte > 1 else 1


def _example_text(pattern: str) -> str:
    if named := _ID_PATTERN.match(pattern):
        return f"{named.group(1)}_{_ID_PART}"
    fitting = (text for text in _CANDIDATE_TEXTS if not pattern or re.search(pattern, text))
    return next(fitting, "text")
