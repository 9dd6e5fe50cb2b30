"""Which limit applies to a descriptor."""

import pytest

from gateway.ratelimit.config import parse_rules
from gateway.ratelimit.rules import RateLimitRuleSet, drop_replaced_rules

LIMIT = "rate_limit: {unit: minute, requests_per_unit: 1}"
TEXT = f"""
domain: d
descriptors:
  - {{key: a, value: exact, {LIMIT}}}
  - {{key: a, value: ex*, {LIMIT}}}
  - {{key: a, value: exac*, {LIMIT}}}
  - {{key: a, {LIMIT}}}
  - key: b
    descriptors:
      - {{key: c, value: x, {LIMIT}}}
      - {{key: c, value: 'y*', {LIMIT}}}
      - key: c
        {LIMIT}
        descriptors:
          - {{key: e, {LIMIT}}}
  - {{key: any, value: '*', {LIMIT}}}
"""


@pytest.fixture(scope="module")
def rules() -> RateLimitRuleSet:
    return parse_rules({"limits.yaml": TEXT.encode()})


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ([("a", "exact")], "d.a_exact"),
        ([("a", "exactly")], "d.a_exac*"),
        ([("a", "extra")], "d.a_ex*"),
        ([("a", "other")], "d.a"),
        ([("a", "")], "d.a"),
        ([("any", "")], "d.any_*"),
        ([("b", "whatever"), ("c", "x")], "d.b.c_x"),
        ([("b", "whatever"), ("c", "yes")], "d.b.c_y*"),
        ([("b", "whatever"), ("c", "z")], "d.b.c"),
        ([("b", ""), ("c", "z"), ("e", "1")], "d.b.c.e"),
        ([("b", "whatever")], None),
        ([("a", "exact"), ("c", "x")], None),
        ([("b", ""), ("c", "x"), ("e", "1")], None),
        ([("c", "x")], None),
        ([], None),
    ],
)
def test_the_most_specific_limit_at_the_descriptors_own_depth_applies(
    rules: RateLimitRuleSet, entries: list[tuple[str, str]], key: str | None
) -> None:
    rule = rules.find_rule("d", entries)
    assert (rule and rule.key) == key


def test_another_domain_has_no_limits(rules: RateLimitRuleSet) -> None:
    assert rules.find_rule("other", [("a", "exact")]) is None


def test_a_limit_that_is_replaced_does_not_apply_beside_the_one_that_replaces_it() -> None:
    text = """
    domain: d
    descriptors:
      - {key: a, rate_limit: {unit: minute, requests_per_unit: 1, name: usual}}
      - {key: b, rate_limit: {unit: minute, requests_per_unit: 1}}
      - {key: c, rate_limit: {unlimited: true, replaces: [{name: usual}]}}
    """
    rules = parse_rules({"limits.yaml": text.encode()})
    a, b, c = (rules.find_rule("d", [(key, "")]) for key in "abc")
    assert drop_replaced_rules([a, b, None]) == [a, b, None]
    assert drop_replaced_rules([a, b, c]) == [None, b, c]
    assert drop_replaced_rules([a]) == [a]
