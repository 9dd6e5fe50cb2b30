"""The limits that InternshipConnect comes with."""

from typing import Any

import pytest

from gateway.api_surface import edge_rpcs
from gateway.envoy.quotas import QUOTA_CLASSES
from gateway.envoy.rate_limits import NETWORK_SUFFIXES, rate_limit_actions
from gateway.ratelimit.config import parse_rules, read_config_files
from gateway.ratelimit.headers import FLOOD_LIMIT_NAME
from gateway.ratelimit.rules import RateLimitRule, RateLimitRuleSet
from gateway.ratelimit.settings import RateLimitSettings

DOMAIN = "internshipconnect"
PLANS = ("FREE", "PREMIUM", "PRO", "ADMIN")
UNLIMITED = None
TABLE = {
    "PUBLIC_API": (60, (100, 1_000, 10_000, UNLIMITED)),
    "SEARCH": (60, (10, 100, 1_000, UNLIMITED)),
    "SUGGEST": (60, (120, 600, 6_000, UNLIMITED)),
    "UPLOAD": (3_600, (5, 50, 500, UNLIMITED)),
}
"""By class: the window in seconds, and how many requests each plan has in it."""


@pytest.fixture(scope="module")
def rules() -> RateLimitRuleSet:
    return parse_rules(read_config_files(RateLimitSettings.model_fields["limits_dir"].default))


def found(rules: RateLimitRuleSet, *entries: tuple[str, str]) -> RateLimitRule:
    rule = rules.find_rule(DOMAIN, entries)
    assert rule is not None, f"nothing limits {entries}"
    return rule


def figures(rule: RateLimitRule) -> tuple[int, int] | None:
    return (rule.limit.window_s, rule.limit.requests) if rule.limit is not None else None


@pytest.mark.parametrize("name", TABLE)
def test_each_plan_has_its_figures_in_each_class(rules: RateLimitRuleSet, name: str) -> None:
    window_s, plans = TABLE[name]
    for plan, requests in zip(PLANS, plans, strict=True):
        rule = found(rules, ("class", name), ("plan", plan), ("user", "usr_1"))
        assert figures(rule) == (None if requests is UNLIMITED else (window_s, requests))
        assert rule.policy == name


@pytest.mark.parametrize("name", TABLE)
def test_who_is_not_signed_in_is_limited_by_address_like_the_free_plan(
    rules: RateLimitRuleSet, name: str
) -> None:
    window_s, plans = TABLE[name]
    assert figures(found(rules, ("class", name), ("address", "192.0.2.1"))) == (window_s, plans[0])


@pytest.mark.parametrize("name", TABLE)
def test_a_household_and_a_site_have_more_than_one_client_though_not_each_their_addresses_times_as_much(
    rules: RateLimitRuleSet, name: str
) -> None:
    window_s, plans = TABLE[name]
    assert plans[0] is not None
    for key, times in (("address_56", 4), ("address_48", 16)):
        assert figures(found(rules, ("class", name), (key, "2001:db8::"))) == (window_s, times * plans[0])


SIGN_UP = (("class", "SIGN_UP"), ("call", "Register"))


def test_signing_up_has_five_tries_for_one_address_and_client_and_twenty_times_as_many_for_a_client(
    rules: RateLimitRuleSet,
) -> None:
    account = ("account", "ada@example.org")
    assert figures(found(rules, *SIGN_UP, account, ("client", "192.0.2.1"))) == (900, 5)
    assert figures(found(rules, *SIGN_UP, ("client", "192.0.2.1"))) == (900, 100)
    assert figures(found(rules, *SIGN_UP, ("client_56", "2001:db8::/56"))) == (900, 400)
    assert figures(found(rules, *SIGN_UP, ("client_48", "2001:db8::/48"))) == (900, 1_600)


def test_codes_that_others_try_for_an_address_refuse_nobody_and_only_a_flood_of_mails_to_it_is_stopped(
    rules: RateLimitRuleSet,
) -> None:
    account, verify = ("account", "ada@example.org"), (SIGN_UP[0], ("call", "VerifyEmail"))
    assert figures(found(rules, *verify, account)) is None
    assert figures(found(rules, *verify, account, ("client", "192.0.2.1"))) == (900, 5)
    assert figures(found(rules, *verify, ("client", "192.0.2.1"))) == (900, 100)
    assert figures(found(rules, *verify, ("client_56", "2001:db8::/56"))) == (900, 400)
    assert figures(found(rules, *verify, ("client_48", "2001:db8::/48"))) == (900, 1_600)
    flood = found(rules, *SIGN_UP, account)
    assert (figures(flood), flood.name) == ((900, 200), FLOOD_LIMIT_NAME)


def test_of_sign_ins_only_a_flood_is_stopped_here(rules: RateLimitRuleSet) -> None:
    rule = found(rules, ("class", "LOGIN"), ("client", "192.0.2.1"))
    assert (figures(rule), rule.name) == ((900, 1_000), FLOOD_LIMIT_NAME)
    assert rules.find_rule(DOMAIN, [("class", "LOGIN"), ("account", "ada@example.org")]) is None
    assert rules.find_rule(DOMAIN, [("class", "LOGIN"), ("plan", "FREE"), ("user", "usr_1")]) is None


def test_every_descriptor_that_the_gateway_sends_has_its_limit(rules: RateLimitRuleSet) -> None:
    for rpc in edge_rpcs():
        for sent in rate_limit_actions(rpc):
            entries = [_example(action) for action in sent["actions"]]
            for plan in PLANS if ("plan", "any") in entries else ("any",):
                place = [("plan", plan) if key == "plan" else (key, value) for key, value in entries]
                found(rules, *place)


@pytest.mark.parametrize("name", sorted(QUOTA_CLASSES))
def test_every_bucket_that_the_gateway_reports_has_its_limit(rules: RateLimitRuleSet, name: str) -> None:
    for plan in PLANS:
        found(rules, ("class", name), ("plan", plan), ("user", "any"))
    for suffix in NETWORK_SUFFIXES:
        found(rules, ("class", name), (f"address{suffix}", "any"))


def _example(action: dict[str, Any]) -> tuple[str, str]:
    [(_, fields)] = action.items()
    return fields["descriptor_key"], fields.get("descriptor_value", "any")
