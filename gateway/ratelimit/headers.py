"""What the caller is told about the tightest limit: pure."""

import math
from collections.abc import Sequence
from typing import Final

from chassis.rate_limit_headers import HttpHeader, RateLimitStatus, format_rate_limit_headers
from gateway.ratelimit.limiter import LimitDecision

FLOOD_LIMIT_NAME: Final = "flood"
"""The name of limits that are nobody's allowance."""


def rate_limit_headers(verdicts: Sequence[LimitDecision]) -> list[HttpHeader]:
    """Headers for the answer to the request that the verdicts are about; none when nothing limits it."""
    tightest = _tightest_decision(verdicts)
    if tightest is None or tightest.limit is None:
        return []
    limit, remaining = tightest.limit, tightest.remaining
    told = format_rate_limit_headers(
        RateLimitStatus(tightest.policy, limit.requests, limit.window_s, remaining, tightest.reset_s)
    )
    if tightest.refused:
        told.append(("Retry-After", str(max(1, math.ceil(tightest.retry_s)))))
    return told


def _tightest_decision(verdicts: Sequence[LimitDecision]) -> LimitDecision | None:
    """Of refusals the one that lasts longest, since coming back earlier is in vain; else the least room.

    A limit in shadow mode is not enforced, so it is not announced; one against floods only when it refuses.
    """
    announced = [
        each
        for each in verdicts
        if each.limit is not None and not each.shadow and (each.refused or each.name != FLOOD_LIMIT_NAME)
    ]
    refused = [each for each in announced if each.refused]
    if refused:
        return max(refused, key=lambda each: each.retry_s)
    return min(announced, key=lambda each: (each.remaining, -each.reset_s), default=None)
