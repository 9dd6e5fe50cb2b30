"""The patterns that predefined rules stand for; `common/v1/rules.proto` has them as expressions."""

import re
from typing import Final

_OPERAND: Final = re.compile(r"r'([^']*)'|rule")
_ANY_OPERAND: Final = "(?:r'[^']*'|rule)"
_EXPRESSION: Final = re.compile(
    rf"(?:!rule \|\| )?this\.matches\((?P<operands>{_ANY_OPERAND}(?: \+ {_ANY_OPERAND})*)\)"
)


class PredefinedRuleError(ValueError):
    """The expression of a predefined rule is more than a pattern."""


def find_pattern(expression: str, value: str = "") -> str:
    """Return the pattern that a predefined rule's CEL expression matches text with.

    `value` is what the field gives the rule, where it takes a text.

    Raises PredefinedRuleError for an expression that is not `this.matches(...)` of raw strings and `rule`.
    """
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        raise PredefinedRuleError(f"this is not `this.matches(...)` of raw strings and `rule`: {expression}")
    operands = _OPERAND.finditer(found.group("operands"))
    return "".join(value if operand.group(1) is None else operand.group(1) for operand in operands)
