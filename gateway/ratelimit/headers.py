"""What the caller is told about the tightest limit: pure.

`X-RateLimit-*` as many APIs have them, and the fields of draft-ietf-httpapi-ratelimit-headers.
"""

import math
from collections.abc import Sequence

from gateway.ratelimit.limiter import Verdict
from gateway.ratelimit.rules import Limit

Header = tuple[str, str]


def headers(verdicts: Sequence[Verdict]) -> list[Header]:
    """Headers for the answer to the request that the verdicts are about; none when nothing limits it."""
    tightest = _tightest(verdicts)
    if tightest is None or tightest.limit is None:
        return []
    told = [*_common(tightest), *_draft(tightest, tightest.limit)]
    if tightest.refused:
        told.append(("Retry-After", str(max(1, math.ceil(tightest.retry_s)))))
    return told


def _tightest(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Of refusals the one that lasts longest, since coming back earlier is in vain; else the least room.

    A limit in shadow mode is not enforced, so it is not announced.
    """
    announced = [each for each in verdicts if each.limit is not None and not each.shadow]
    refused = [each for each in announced if each.refused]
    if refused:
        return max(refused, key=lambda each: each.retry_s)
    return min(announced, key=lambda each: (each.remaining, -each.reset_s), default=None)


def _common(verdict: Verdict) -> list[Header]:
    requests = verdict.limit.requests if verdict.limit is not None else 0
    return [
        ("X-RateLimit-Limit", str(requests)),
        ("X-RateLimit-Remaining", str(verdict.remaining)),
        ("X-RateLimit-Reset", str(math.ceil(verdict.reset_s))),
    ]


def _draft(verdict: Verdict, limit: Limit) -> list[Header]:
    policy = _structured(verdict.policy)
    return [
        ("RateLimit", f"{policy};r={verdict.remaining};t={math.ceil(verdict.reset_s)}"),
        ("RateLimit-Policy", f"{policy};q={limit.requests};w={limit.window_s}"),
    ]


def _structured(text: str) -> str:
    """A structured field's string: printable ASCII in quotes."""
    printable = "".join(char for char in text if " " <= char <= "~")
    escaped = printable.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
