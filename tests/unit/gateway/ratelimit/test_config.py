"""The format of the limits: each error is reported with its place, and all of them together."""

from pathlib import Path

import pytest

from gateway.ratelimit.config import ConfigError, parse_rules, read_config_files
from gateway.ratelimit.rules import RateLimit, RateLimitRule, TimeUnit

UNITS = "second, minute, hour, day, week, month, year"


def loaded(text: str) -> list[RateLimitRule]:
    return list(parse_rules({"limits.yaml": text.encode()}).all_rules())


def complaints(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return caught.value.problems


def of_limit(limit: str) -> str:
    """Return a file with one rate limit."""
    return f"domain: d\ndescriptors:\n- key: a\n  descriptors:\n  - key: b\n    rate_limit: {limit}\n"


def test_every_field_of_the_format_is_read() -> None:
    text = """
    domain: d
    descriptors:
      - key: a
        value: x
        shadow_mode: true
        rate_limit: {unit: Hour, unit_multiplier: 2, requests_per_unit: 7, name: n, replaces: [{name: m}]}
        descriptors:
          - key: b
            value: y*
            detailed_metric: true
            rate_limit: {unlimited: true}
    """
    outer, inner = loaded(text)
    assert outer == RateLimitRule(
        "d.a_x", RateLimit(7, TimeUnit.HOUR, 2), "n", "n", frozenset({"m"}), is_shadow=True
    )
    assert outer.limit is not None
    assert outer.limit.window_s == 7_200
    assert inner == RateLimitRule("d.a_x.b_y*", None, has_detailed_metric=True)


def test_a_limit_is_called_by_its_class_else_by_its_name() -> None:
    text = """
    domain: d
    descriptors:
      - key: class
        value: SEARCH
        descriptors:
          - {key: user, rate_limit: {unit: day, requests_per_unit: 1, name: n}}
      - {key: user, rate_limit: {unit: day, requests_per_unit: 1, name: n}}
      - {key: class, rate_limit: {unit: day, requests_per_unit: 1}}
    """
    assert [rule.policy for rule in loaded(text)] == ["SEARCH", "n", "default"]


def test_a_domain_without_descriptors_limits_nothing() -> None:
    assert loaded("domain: d") == []


@pytest.mark.parametrize("unit", UNITS.split(", "))
def test_units_are_read_whether_in_capitals_or_not(unit: str) -> None:
    for spelled in (unit, unit.upper(), unit.title()):
        (rule,) = loaded(of_limit(f"{{unit: {spelled}, requests_per_unit: 1}}"))
        assert rule.limit == RateLimit(1, TimeUnit[unit.upper()])


ERRORS = {
    "descriptors: []": "domain: is missing; allowed: text",
    "domain: ''": "domain: is empty; allowed: text",
    "domain: 7": "domain: is a number; allowed: text; quote what YAML reads as something else",
    "- domain": "is a list; allowed: a mapping with domain, descriptors",
    "": "is empty; allowed: a mapping with domain, descriptors",
    "domain: d\ndomains: d": "domains: is an unknown key; allowed: domain, descriptors",
    "domain: d\n1: d": "1: is an unknown key; allowed: domain, descriptors",
    "domain: d\ndescriptors: {key: a}": "descriptors: is a mapping; allowed: a list",
    "domain: d\ndescriptors:": "descriptors: is empty; allowed: a list",
    "domain: d\ndescriptors: [a]": "descriptors[0]: is text; allowed: a mapping with key, value, rate_limit, "
    "descriptors, shadow_mode, detailed_metric",
    "domain: d\ndescriptors: [{value: a}]": "descriptors[0].key: is missing; allowed: text",
    "domain: d\ndescriptors: [{key: ''}]": "descriptors[0].key: is empty; allowed: text",
    "domain: d\ndescriptors: [{key: a, value: 404}]": "descriptors[0].value: is a number; allowed: text; "
    "quote what YAML reads as something else",
    "domain: d\ndescriptors: [{key: a, value: on}]": "descriptors[0].value: is a truth value; allowed: text; "
    "quote what YAML reads as something else",
    "domain: d\ndescriptors: [{key: a, shadow_mode: 1}]": "descriptors[0].shadow_mode: is a number; "
    "allowed: true, false",
    "domain: d\ndescriptors: [{key: a, detailed_metric: 'yes'}]": "descriptors[0].detailed_metric: is text; "
    "allowed: true, false",
    "domain: d\ndescriptors: [{key: a}, {key: b}, {key: a}]": "descriptors[2].key: 'a' is a duplicate; "
    "allowed: one descriptor for each key and value",
    "domain: d\ndescriptors: [{key: a, value: b}, {key: a_b}]": "descriptors[1].key: 'a_b' is a duplicate; "
    "allowed: one descriptor for each key and value",
    "domain: d\ndescriptors: [{key: a, regex: b}]": "descriptors[0].regex: is an unknown key; allowed: key, "
    "value, rate_limit, descriptors, shadow_mode, detailed_metric",
}


@pytest.mark.parametrize(("text", "complaint"), ERRORS.items(), ids=range(len(ERRORS)))
def test_each_error_is_listed_with_its_place_and_the_allowed_values(text: str, complaint: str) -> None:
    place = "limits.yaml: "
    assert complaints(text) == (place + complaint,)


LIMIT_KEYS = "unit, unit_multiplier, requests_per_unit, unlimited, name, replaces"
LIMIT_ERRORS = {
    "7": f": is a number; allowed: a mapping with {LIMIT_KEYS}",
    "": f": is empty; allowed: a mapping with {LIMIT_KEYS}",
    "{requests_per_unit: 1}": f".unit: is missing; allowed: {UNITS}",
    "{unit: fortnight, requests_per_unit: 1}": f".unit: is 'fortnight'; allowed: {UNITS}",
    "{unit: unknown, requests_per_unit: 1}": f".unit: is 'unknown'; allowed: {UNITS}",
    "{unit: 60, requests_per_unit: 1}": f".unit: is 60; allowed: {UNITS}",
    "{unit: day}": ".requests_per_unit: is missing; allowed: a whole number from 0 to 4294967295",
    "{unit: day, requests_per_unit: -1}": ".requests_per_unit: is -1; "
    "allowed: a whole number from 0 to 4294967295",
    "{unit: day, requests_per_unit: 1.5}": ".requests_per_unit: is a fraction; "
    "allowed: a whole number from 0 to 4294967295",
    "{unit: day, requests_per_unit: true}": ".requests_per_unit: is a truth value; "
    "allowed: a whole number from 0 to 4294967295",
    "{unit: day, requests_per_unit: '1'}": ".requests_per_unit: is text; "
    "allowed: a whole number from 0 to 4294967295",
    "{unit: day, requests_per_unit: 1, unit_multiplier: 0}": ".unit_multiplier: is 0; "
    "allowed: a whole number from 1 to 1000",
    "{unlimited: true, unit: day}": ".unit: stands beside unlimited: true; allowed: one of the two",
    "{unlimited: true, requests_per_unit: 1}": ".requests_per_unit: stands beside unlimited: true; "
    "allowed: one of the two",
    "{unlimited: maybe}": ".unlimited: is text; allowed: true, false",
    "{unlimited: true, name: [n]}": ".name: is a list; allowed: text; "
    "quote what YAML reads as something else",
    "{unlimited: true, replaces: n}": ".replaces: is text; allowed: a list",
    "{unlimited: true, replaces: [n]}": ".replaces[0]: is text; allowed: a mapping with name",
    "{unlimited: true, replaces: [{}]}": ".replaces[0].name: is missing; allowed: text",
    "{unlimited: true, replaces: [{name: ''}]}": ".replaces[0].name: is empty; allowed: text",
    "{unlimited: true, name: n, replaces: [{name: m}, {name: n}]}": ".replaces[1].name: is the limit's own "
    "name; allowed: the name of another limit",
    "{unlimited: true, burst: 1}": ".burst: is an unknown key; allowed: " + LIMIT_KEYS,
}


@pytest.mark.parametrize(("limit", "complaint"), LIMIT_ERRORS.items(), ids=range(len(LIMIT_ERRORS)))
def test_each_error_of_a_limit_is_listed_with_its_place_and_the_allowed_values(
    limit: str, complaint: str
) -> None:
    assert (
        complaints(of_limit(limit))[0] == f"limits.yaml: descriptors[0].descriptors[0].rate_limit{complaint}"
    )


def test_all_errors_of_all_files_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(
            {
                "a.yaml": of_limit("{unit: day}").encode(),
                "b.yaml": b"domain: ''\ndescriptors: [{key: a, value: 1}, 3]",
                "c.yaml": b"domain: d",
                "d.yaml": b"{",
            }
        )
    assert [line.split(":")[0] for line in caught.value.problems] == [
        "a.yaml",
        "b.yaml",
        "b.yaml",
        "b.yaml",
        "c.yaml",
        "d.yaml",
    ]
    assert "c.yaml: domain: 'd' is in another file already" in caught.value.problems[4]


@pytest.mark.parametrize("text", ["a: [", "domain: d\ndomain: e", "\x00", "a: 2001-99-99", "? {a: b}\n: c"])
def test_what_is_not_yaml_is_an_error_with_its_place_in_the_file(text: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith("limits.yaml: is not YAML: ")


def test_bytes_that_are_not_text_are_an_error() -> None:
    with pytest.raises(ConfigError):
        parse_rules({"limits.yaml": b"domain: \xff\xfe\xfa"})


def test_a_file_that_holds_itself_is_an_error() -> None:
    assert complaints("domain: d\ndescriptors: &a\n- key: k\n  descriptors: *a") == (
        "limits.yaml: is nested without end",
    )


def test_a_folder_without_limits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        parse_rules(read_config_files(tmp_path))


def test_only_files_by_the_name_of_yaml_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("domain: b")
    (tmp_path / "a.yaml").write_text("domain: a")
    (tmp_path / "README.md").write_text("no limits")
    assert list(read_config_files(tmp_path)) == ["a.yaml", "b.yaml"]
