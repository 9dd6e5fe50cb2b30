"""The rate-limit headers of an answer."""

from gateway.ratelimit.headers import rate_limit_headers
from gateway.ratelimit.limiter import UNLIMITED_DECISION, LimitDecision
from gateway.ratelimit.rules import RateLimit, TimeUnit

MINUTE = RateLimit(100, TimeUnit.MINUTE)
QUARTER = RateLimit(5, TimeUnit.MINUTE, 15)


def test_a_request_within_its_limit_gets_its_remaining_requests() -> None:
    assert rate_limit_headers([LimitDecision(MINUTE, "SEARCH", remaining=50, reset_s=29.2)]) == [
        ("X-RateLimit-Limit", "100"),
        ("X-RateLimit-Remaining", "50"),
        ("X-RateLimit-Reset", "30"),
        ("RateLimit", '"SEARCH";r=50;t=30'),
        ("RateLimit-Policy", '"SEARCH";q=100;w=60'),
    ]


def test_a_refused_request_gets_a_retry_time() -> None:
    assert rate_limit_headers(
        [LimitDecision(QUARTER, "LOGIN", is_over_limit=True, reset_s=61.01, retry_s=61.01)]
    ) == [
        ("X-RateLimit-Limit", "5"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "62"),
        ("RateLimit", '"LOGIN";r=0;t=62'),
        ("RateLimit-Policy", '"LOGIN";q=5;w=900'),
        ("Retry-After", "62"),
    ]


def test_the_retry_time_is_never_below_a_second() -> None:
    assert rate_limit_headers([LimitDecision(MINUTE, is_over_limit=True)])[-1] == ("Retry-After", "1")


def test_of_several_limits_the_one_with_the_fewest_remaining_is_shown() -> None:
    told = dict(
        rate_limit_headers(
            [LimitDecision(MINUTE, remaining=9), UNLIMITED_DECISION, LimitDecision(QUARTER, remaining=3)]
        )
    )
    assert told["X-RateLimit-Limit"] == "5"


def test_of_several_refusals_the_longest_is_shown() -> None:
    told = dict(
        rate_limit_headers(
            [
                LimitDecision(MINUTE, is_over_limit=True, retry_s=9),
                LimitDecision(QUARTER, is_over_limit=True, retry_s=800),
            ]
        )
    )
    assert told["Retry-After"] == "800"
    told = dict(
        rate_limit_headers(
            [LimitDecision(MINUTE, is_over_limit=True, retry_s=9), LimitDecision(QUARTER, remaining=0)]
        )
    )
    assert (told["Retry-After"], told["X-RateLimit-Limit"]) == ("9", "100")


def test_without_a_limit_there_are_no_headers() -> None:
    assert rate_limit_headers([UNLIMITED_DECISION]) == []
    assert rate_limit_headers([]) == []


def test_a_limit_in_shadow_mode_is_not_announced() -> None:
    is_shadow = LimitDecision(QUARTER, is_over_limit=True, is_shadow=True, retry_s=9)
    assert rate_limit_headers([is_shadow]) == []
    assert (
        dict(rate_limit_headers([is_shadow, LimitDecision(MINUTE, remaining=7)]))["X-RateLimit-Remaining"]
        == "7"
    )


def test_a_policys_name_is_a_structured_string_whatever_it_holds() -> None:
    told = dict(rate_limit_headers([LimitDecision(MINUTE, 'a"b\\c\r\nX: é')]))
    assert told["RateLimit"] == r'"a\"b\\cX: ";r=0;t=0'
