"""Rate limit headers: the usual `X-RateLimit-*`, and the fields of draft-ietf-httpapi-ratelimit-headers.

Pure; used by the rate limiter and by services that count themselves.
"""

import math
from dataclasses import dataclass

HttpHeader = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """A limit of requests per window, the requests left, and the seconds until the window resets."""

    policy: str
    requests: int
    window_s: int
    remaining: int
    reset_s: float


def format_rate_limit_headers(allowance: RateLimitStatus) -> list[HttpHeader]:
    """Return the headers of an answer; seconds are rounded up."""
    policy, reset_s = quote_structured_string(allowance.policy), math.ceil(allowance.reset_s)
    return [
        ("X-RateLimit-Limit", str(allowance.requests)),
        ("X-RateLimit-Remaining", str(allowance.remaining)),
        ("X-RateLimit-Reset", str(reset_s)),
        ("RateLimit", f"{policy};r={allowance.remaining};t={reset_s}"),
        ("RateLimit-Policy", f"{policy};q={allowance.requests};w={allowance.window_s}"),
    ]


def quote_structured_string(text: str) -> str:
    """Return a string of RFC 8941: printable ASCII in quotes."""
    printable = "".join(char for char in text if " " <= char <= "~")
    escaped = printable.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
