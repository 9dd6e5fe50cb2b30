"""Response headers about the tightest limit: pure."""

import math
from collections.abc import Sequence
from typing import Final

from chassis.rate_limit_headers import HttpHeader, RateLimitStatus, format_rate_limit_headers
from gateway.ratelimit.limiter import LimitDecision

FLOOD_LIMIT_NAME: Final = "flood"
"""The name of limits against floods, which are announced only when they refuse."""


def rate_limit_headers(decisions: Sequence[LimitDecision]) -> list[HttpHeader]:
    """Return the headers for the response to a request; none when nothing limits it."""
    tightest = _tightest_decision(decisions)
    if tightest is None or tightest.limit is None:
        return []
    limit, remaining = tightest.limit, tightest.remaining
    found_headers = format_rate_limit_headers(
        RateLimitStatus(tightest.policy, limit.requests, limit.window_s, remaining, tightest.reset_s)
    )
    if tightest.is_refused:
        found_headers.append(("Retry-After", str(max(1, math.ceil(tightest.retry_s)))))
    return found_headers


def _tightest_decision(decisions: Sequence[LimitDecision]) -> LimitDecision | None:
    """Return the longest refusal, since earlier retries fail; else the limit with the fewest hits left.

    A limit in shadow mode is not enforced, so it is not announced; one against floods only when it refuses.
    """
    announced = [
        each
        for each in decisions
        if each.limit is not None
        and not each.is_shadow
        and (each.is_refused or each.name != FLOOD_LIMIT_NAME)
    ]
    refused = [each for each in announced if each.is_refused]
    if refused:
        return max(refused, key=lambda each: each.retry_s)
    return min(announced, key=lambda each: (each.remaining, -each.reset_s), default=None)
