"""What the caller is told."""

from gateway.ratelimit.headers import headers
from gateway.ratelimit.limiter import UNLIMITED, Verdict
from gateway.ratelimit.rules import Limit, Unit

MINUTE = Limit(100, Unit.MINUTE)
QUARTER = Limit(5, Unit.MINUTE, 15)


def test_a_request_within_its_limit_is_told_what_is_left() -> None:
    assert headers([Verdict(MINUTE, "SEARCH", remaining=50, reset_s=29.2)]) == [
        ("X-RateLimit-Limit", "100"),
        ("X-RateLimit-Remaining", "50"),
        ("X-RateLimit-Reset", "30"),
        ("RateLimit", '"SEARCH";r=50;t=30'),
        ("RateLimit-Policy", '"SEARCH";q=100;w=60'),
    ]


def test_a_refused_request_is_told_when_to_come_back() -> None:
    assert headers([Verdict(QUARTER, "LOGIN", over=True, reset_s=61.01, retry_s=61.01)]) == [
        ("X-RateLimit-Limit", "5"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "62"),
        ("RateLimit", '"LOGIN";r=0;t=62'),
        ("RateLimit-Policy", '"LOGIN";q=5;w=900'),
        ("Retry-After", "62"),
    ]


def test_nobody_is_told_to_come_back_in_less_than_a_second() -> None:
    assert headers([Verdict(MINUTE, over=True)])[-1] == ("Retry-After", "1")


def test_of_several_limits_the_one_with_the_least_left_is_told() -> None:
    told = dict(headers([Verdict(MINUTE, remaining=9), UNLIMITED, Verdict(QUARTER, remaining=3)]))
    assert told["X-RateLimit-Limit"] == "5"


def test_of_several_refusals_the_longest_is_told() -> None:
    told = dict(headers([Verdict(MINUTE, over=True, retry_s=9), Verdict(QUARTER, over=True, retry_s=800)]))
    assert told["Retry-After"] == "800"
    told = dict(headers([Verdict(MINUTE, over=True, retry_s=9), Verdict(QUARTER, remaining=0)]))
    assert (told["Retry-After"], told["X-RateLimit-Limit"]) == ("9", "100")


def test_without_a_limit_there_are_no_headers() -> None:
    assert headers([UNLIMITED]) == []
    assert headers([]) == []


def test_a_limit_in_shadow_mode_is_not_announced() -> None:
    shadow = Verdict(QUARTER, over=True, shadow=True, retry_s=9)
    assert headers([shadow]) == []
    assert dict(headers([shadow, Verdict(MINUTE, remaining=7)]))["X-RateLimit-Remaining"] == "7"


def test_a_policys_name_is_a_structured_string_whatever_it_holds() -> None:
    told = dict(headers([Verdict(MINUTE, 'a"b\\c\r\nX: é')]))
    assert told["RateLimit"] == r'"a\"b\\cX: ";r=0;t=0'
