"""Writes the patterns that predefined rules stand for into the fields that have them.

protovalidate evaluates a predefined rule as a CEL expression: a request takes five to ten times as long. The
sources name the rules, the descriptors that our code runs on hold their patterns.
"""

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldOptions, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from chassis.predefined_rules import PredefinedRuleError, find_pattern

_FIELD_RULES: Final = "buf.validate.field"
_PREDEFINED: Final = "buf.validate.predefined"
_RULES_PACKAGE: Final = "buf.validate."


def expand_predefined_rules(files: FileDescriptorSet) -> None:
    """Replace each predefined rule of a field by its pattern.

    The set has to hold what its files import. Raises PredefinedRuleError for a rule that is no pattern, or
    one beside a pattern.
    """
    options = _OptionsReader(files)
    for file in files.file:
        _expand_messages(file.message_type, options)


def _expand_messages(messages: Iterable[DescriptorProto], options: "_OptionsReader") -> None:
    for message in messages:
        for field in message.field:
            if field.HasField("options"):
                expanded = options.expand(field.options)
                if expanded is not None:
                    field.options.CopyFrom(expanded)
        _expand_messages(message.nested_type, options)


class _OptionsReader:
    """Options of fields, read with the extensions that the files themselves declare."""

    def __init__(self, files: FileDescriptorSet) -> None:
        pool = DescriptorPool()
        for file in files.file:
            pool.AddSerializedFile(file.SerializeToString())
        self._options: Any = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
        self._field_rules = pool.FindExtensionByName(_FIELD_RULES)
        self._predefined = pool.FindExtensionByName(_PREDEFINED)

    def expand(self, original: FieldOptions) -> FieldOptions | None:
        """Return the options with patterns; None where they name no predefined rule."""
        options = self._options.FromString(original.SerializeToString())
        if not options.HasExtension(self._field_rules) or not self._expand_rules(
            options.Extensions[self._field_rules]
        ):
            return None
        return FieldOptions.FromString(options.SerializeToString(deterministic=True))

    def _expand_rules(self, rules: Any) -> bool:
        """Expand the rules of a message of rules and of those within it; say whether there were any."""
        has_expanded = False
        for each, value in rules.ListFields():
            if each.is_extension:
                self._replace_rule(rules, each, value)
                has_expanded = True
            elif _holds_rules(each):
                has_expanded = self._expand_rules(value) or has_expanded
        return has_expanded

    def _replace_rule(self, rules: Any, rule: FieldDescriptor, value: Any) -> None:
        if rules.HasField("pattern"):
            raise PredefinedRuleError(f"a field has the rule {rule.name} and a pattern: give it one of them")
        declared = rule.GetOptions().SerializeToString()
        expressions = self._options.FromString(declared).Extensions[self._predefined].cel
        if len(expressions) != 1:
            raise PredefinedRuleError(f"{rule.full_name} has to have one expression, not {len(expressions)}")
        if value is not False:
            rules.pattern = find_pattern(expressions[0].expression, value if isinstance(value, str) else "")
        rules.ClearExtension(rule)


def _holds_rules(field: FieldDescriptor) -> bool:
    held = field.message_type
    return held is not None and not field.is_repeated and held.full_name.startswith(_RULES_PACKAGE)
