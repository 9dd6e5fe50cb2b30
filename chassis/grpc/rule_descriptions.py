"""Descriptions of broken field rules: the one table from rules of the contracts to sentences.

Clients should not have to read regular expressions, numbers of enum values or names of types. A rule over
several fields and a predefined rule (`common/v1/rules.proto`) have messages of their own (`cel.message`), a
pattern without a row here the field's option `wants`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from buf.validate import validate_pb2
from chassis.predefined_rules import find_pattern
from chassis.text import describe_unwanted_character, without_unwanted_characters
from internshipconnect.common.v1 import rules_pb2
from internshipconnect.options.v1 import options_pb2

UNDESCRIBED_FORM: Final = "in the form that the API page describes"
_ID: Final = re.compile(r"\^([a-z]+)_\[0-7\]\[0-9A-HJKMNP-TV-Z\]\{25\}\$")
_PATTERN_END: Final = re.compile(r"\$\Z")
"""In a contract it is the end of the text; for Python it may stand before a last line break, too."""
_MAY_BE_EMPTY: Final = re.compile(r"\^\((.*)\)\?\$", re.DOTALL)

# Predefined rules that take no value, by name.
_PREDEFINED_RULES: Final[Mapping[str, validate_pb2.Rule]] = {
    name: extension.GetOptions().Extensions[validate_pb2.predefined].cel[0]
    for name, extension in rules_pb2.DESCRIPTOR.extensions_by_name.items()
    if extension.type == FieldDescriptor.TYPE_BOOL
}
_ANY_TEXT_PATTERNS: Final = frozenset(
    find_pattern(_PREDEFINED_RULES[name].expression) for name in ("one_line", "typed", "lines")
)
PATTERN_DESCRIPTIONS: Final[Mapping[str, str]] = {
    **{
        find_pattern(rule.expression): rule.message.removeprefix("must be ")
        for rule in _PREDEFINED_RULES.values()
    },
    r"^[A-Za-z0-9_.-]+$": "a token as an answer gave it",
    r"^https?://[^\x00-\x20\x7f]+$": "an address that begins with http:// or https://",
    r"^[0-9]{8}$": "the eight digits from the e-mail",
    r"^[A-Za-z0-9_-]{1,64}$": "an etag as an answer gave it",
    r"^([A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*)?$": "a language's tag such as de or en-GB (BCP 47)",
}
"""Patterns of the contracts, and the descriptions of values that match them."""

_FORMAT_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "email": "an e-mail address such as name@example.com",
    "uri": "an address such as https://example.com/page",
    "uri_ref": "an address such as https://example.com/page, or a path",
    "hostname": "a host name such as example.com",
    "ip": "an IP address",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "address": "a host name or an IP address",
    "host_and_port": "a host and a port such as example.com:443",
    "uuid": "a UUID",
    "tuuid": "a UUID without hyphens",
}
_LOWER: Final[Mapping[str, str]] = {"gte": "at least {}", "gt": "more than {}"}
_UPPER: Final[Mapping[str, str]] = {"lte": "at most {}", "lt": "less than {}"}


def describe_rule(rule: str, rules: Any, field: FieldDescriptor, value: object = None) -> str:
    """Return what a field that breaks `rule` of `rules` (e.g. StringRules) has to be: `must be ...`."""
    if rule == "required":
        wanted = describe_expected_form(field_rules_of(field), field)
        return f"is needed: {wanted}" if wanted else "is needed"
    if rule == "pattern" and isinstance(value, str) and _fits_when_cleaned(rules.pattern, value):
        return describe_unwanted_character(value)
    table = _DESCRIBERS.get(rules.DESCRIPTOR.name, _describe_number_rule)
    return table(rule, rules, field)


def describe_max_items(count: int) -> str:
    """Return the description of the bound of a list that is too long."""
    return f"must have at most {_format_count(count, 'item')}"


def describe_expected_form(rules: validate_pb2.FieldRules, field: FieldDescriptor) -> str:
    """Return the form of a field's value, in words; empty when any value is valid."""
    if field.enum_type is not None:
        return f"one of {_join_names(allowed_enum_names(rules.enum, field))}"
    if rules.WhichOneof("type") != "string":
        return ""
    formats = [words for name, words in _FORMAT_DESCRIPTIONS.items() if getattr(rules.string, name)]
    if formats or not rules.string.pattern:
        return next(iter(formats), "")
    pattern = rules.string.pattern
    return "" if pattern in _ANY_TEXT_PATTERNS else _describe_pattern(pattern, field)


def allowed_enum_names(rules: Any, field: FieldDescriptor) -> list[str]:
    """Return the names that an enum field accepts; `..._UNSPECIFIED` stands for none and is left out."""
    chosen, refused = getattr(rules, "in"), rules.not_in
    enum = cast(EnumDescriptor, field.enum_type)
    values = [value for value in enum.values if value.number != 0 and value.number not in refused]
    return [value.name for value in values if not chosen or value.number in chosen]


def field_rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """Return the field's rules; empty ones when it declares none."""
    return field.GetOptions().Extensions[validate_pb2.field]


def item_rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """Return the rules of a field's values; for a list those of its items."""
    rules = field_rules_of(field)
    return rules.repeated.items if field.is_repeated else rules


def _fits_when_cleaned(pattern: str, text: str) -> bool:
    """Whether a text breaks a pattern by nothing but characters that nobody sees."""
    cleaned = without_unwanted_characters(text)
    return cleaned != text and re.search(_PATTERN_END.sub(r"\\Z", pattern), cleaned) is not None


def _describe_string_rule(rule: str, rules: Any, field: FieldDescriptor) -> str:
    value: Any = getattr(rules, rule, None)
    if rule == "pattern":
        return f"must be {_describe_pattern(rules.pattern, field)}"
    if rule in _FORMAT_DESCRIPTIONS:
        return f"must be {_FORMAT_DESCRIPTIONS[rule]}"
    if rule == "min_len":
        bound = f"must have at least {_format_count(value, 'character')}"
        return "must not be empty" if value == 1 else f"{bound}{_describe_cause(field)}"
    if rule == "max_len":
        return f"must have at most {_format_count(value, 'character')}"
    if rule == "len":
        return f"must have {_format_count(value, 'character')}"
    return _describe_text_rule(rule, value)


def _describe_text_rule(rule: str, value: Any) -> str:
    words = {
        "const": "must be `{}`",
        "prefix": "must begin with `{}`",
        "suffix": "must end with `{}`",
        "contains": "must contain `{}`",
        "not_contains": "must not contain `{}`",
        "min_bytes": "must have at least {} bytes",
        "max_bytes": "must have at most {} bytes",
        "in": "must be one of {}",
        "not_in": "must be none of {}",
    }
    shown = _join_names(value) if rule in ("in", "not_in") else value
    return words[rule].format(shown) if rule in words else f"must be {UNDESCRIBED_FORM}"


def _describe_enum_rule(_rule: str, rules: Any, field: FieldDescriptor) -> str:
    return f"must be one of {_join_names(allowed_enum_names(rules, field))}"


def _describe_list_rule(rule: str, rules: Any, _field: FieldDescriptor) -> str:
    if rule == "unique":
        return "must not hold the same item twice"
    if rule in ("max_items", "max_pairs"):
        return describe_max_items(getattr(rules, rule))
    return f"must have at least {_format_count(getattr(rules, rule), 'item')}"


def _describe_number_rule(rule: str, rules: Any, _field: FieldDescriptor) -> str:
    if rule == "const":
        return f"must be {_format_value(rules.const)}"
    if rule == "in":
        return f"must be one of {_join_names(map(_format_value, getattr(rules, 'in')))}"
    if rule == "not_in":
        return f"must be none of {_join_names(map(_format_value, rules.not_in))}"
    if rule == "finite":
        return "must be a finite number"
    bounds = [
        words.format(_format_value(getattr(rules, name)))
        for name, words in {**_LOWER, **_UPPER}.items()
        if rules.HasField(name)
    ]
    return f"must be {' and '.join(bounds)}" if bounds else f"must be {UNDESCRIBED_FORM}"


def _describe_time_rule(rule: str, rules: Any, field: FieldDescriptor) -> str:
    relative = {"lt_now": "must be in the past", "gt_now": "must be in the future"}
    if rule in relative:
        return relative[rule]
    if rule == "within":
        return f"must be within {_format_value(rules.within)} of now"
    words = _describe_number_rule(rule, rules, field)
    return words.replace("at least", "at or after").replace("less than", "before")


_DESCRIBERS: Final[Mapping[str, Callable[[str, Any, FieldDescriptor], str]]] = {
    "StringRules": _describe_string_rule,
    "BytesRules": _describe_string_rule,
    "EnumRules": _describe_enum_rule,
    "RepeatedRules": _describe_list_rule,
    "MapRules": _describe_list_rule,
    "TimestampRules": _describe_time_rule,
}


def _describe_pattern(pattern: str, field: FieldDescriptor) -> str:
    policy: options_pb2.FieldPolicy = field.GetOptions().Extensions[options_pb2.field]
    if policy.wants:
        return policy.wants
    if named := _ID.fullmatch(_MAY_BE_EMPTY.sub(r"^\1$", pattern)):
        return f"an ID that begins with {named.group(1)}_ followed by 26 characters"
    return PATTERN_DESCRIPTIONS.get(pattern, UNDESCRIBED_FORM)


def _describe_cause(field: FieldDescriptor) -> str:
    """Return why a field has its lower bound, as the end of a sentence; empty without a reason."""
    policy: options_pb2.FieldPolicy = field.GetOptions().Extensions[options_pb2.field]
    return f", as {policy.because}" if policy.because else ""


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(names)


def _format_count(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _format_value(value: Any) -> str:
    if isinstance(value, Timestamp | Duration):
        return value.ToJsonString()
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
