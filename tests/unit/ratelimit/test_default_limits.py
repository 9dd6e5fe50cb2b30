"""The limits that InternshipConnect comes with."""

import pytest

from chassis.contracts import all_services, rpcs_of
from gateway.ratelimit.config import find, load
from gateway.ratelimit.rules import Limit, Rule, Rules, Unit
from gateway.ratelimit.settings import Settings
from internshipconnect.options.v1 import options_pb2

DOMAIN = "internshipconnect"
PLANS = ("FREE", "PREMIUM", "PRO", "ADMIN")
UNLIMITED = None
TABLE = {
    "PUBLIC_API": (60, (100, 1_000, 10_000, UNLIMITED)),
    "SEARCH": (60, (10, 100, 1_000, UNLIMITED)),
    "SUGGEST": (60, (120, 600, 6_000, UNLIMITED)),
    "UPLOAD": (3_600, (5, 50, 500, UNLIMITED)),
    "LOGIN": (900, (5, 10, 20, 50)),
}
"""By class: the window in seconds, and how many requests each plan has in it."""


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load(find(Settings.model_fields["limits_dir"].default))


def found(rules: Rules, *entries: tuple[str, str]) -> Rule:
    rule = rules.find(DOMAIN, entries)
    assert rule is not None, f"nothing limits {entries}"
    return rule


def figures(rule: Rule) -> tuple[int, int] | None:
    return (rule.limit.window_s, rule.limit.requests) if rule.limit is not None else None


@pytest.mark.parametrize("name", TABLE)
def test_each_plan_has_its_figures_in_each_class(rules: Rules, name: str) -> None:
    window_s, plans = TABLE[name]
    for plan, requests in zip(PLANS, plans, strict=True):
        rule = found(rules, ("class", name), ("plan", plan), ("user", "usr_1"))
        assert figures(rule) == (None if requests is UNLIMITED else (window_s, requests))
        assert rule.policy == name


@pytest.mark.parametrize("name", TABLE)
def test_who_is_not_signed_in_is_limited_by_address_like_the_free_plan(rules: Rules, name: str) -> None:
    window_s, plans = TABLE[name]
    assert figures(found(rules, ("class", name), ("address", "192.0.2.1"))) == (window_s, plans[0])


def test_attempts_to_sign_in_are_limited_by_account_too(rules: Rules) -> None:
    rule = found(rules, ("class", "LOGIN"), ("account", "ada@example.org"))
    assert rule.limit == Limit(5, Unit.MINUTE, 15)
    assert rules.find(DOMAIN, [("class", "SEARCH"), ("account", "ada@example.org")]) is None


def test_what_is_searched_for_limits_nothing_by_itself(rules: Rules) -> None:
    assert rules.find(DOMAIN, [("class", "SEARCH"), ("search", "/api/v1/internships?q=python")]) is None


def test_there_are_no_other_limits(rules: Rules) -> None:
    assert set(rules.domains) == {DOMAIN}
    assert len(list(rules.all())) == len(TABLE) * (len(PLANS) + 1) + 1


def test_every_class_that_a_contract_declares_has_limits_for_each_plan_and_for_addresses(
    rules: Rules,
) -> None:
    classes = options_pb2.RateLimitClass
    declared = {
        classes.Name(rpc.policy.rate_limit).removeprefix("RATE_LIMIT_CLASS_")
        for service in all_services()
        if service.full_name.startswith("internshipconnect.")
        for rpc in rpcs_of(service)
    }
    assert declared - {"INTERNAL"}
    for name in declared - {"INTERNAL"}:
        for plan in PLANS:
            found(rules, ("class", name), ("plan", plan), ("user", "usr_1"))
        found(rules, ("class", name), ("address", "192.0.2.1"))
