"""What the edge's script reports about its buckets and what it is answered: text, a line for each bucket.

The script is `gateway/envoy/lua/quota_reports.lua`; it sends the lines as one message of gRPC. A report is

    class=SEARCH,plan=FREE,user=usr_1 SPENT DENIED OWED RETURNED RUN WANTED

and its answer, in the same place,

    STATE GRANTED REMAINING LIMIT WINDOW_MS RESET_MS RETRY_MS RUN POLICY

All are whole numbers except for the state and the policy, a quoted string, or `-` where nothing is announced.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from chassis.observability.logging import get_logger
from gateway.ratelimit.rules import DescriptorEntry

QUOTA_SERVICE: Final = "internshipconnect.ratelimit.v1.QuotaService"
QUOTA_METHOD: Final = f"/{QUOTA_SERVICE}/AssignQuotas"
MAX_REPORTED_BUCKETS: Final = 2_000
MAX_LINE_CHARS: Final = 1_024
MAX_LOGGED_CHARS: Final = 200
UNANNOUNCED: Final = "-"
_LINE: Final = re.compile(
    r"(?P<entries>\S+) (?P<spent>\d{1,12}) (?P<denied>\d{1,12}) (?P<owed>\d{1,12}) (?P<returned>\d{1,12}) "
    r"(?P<run>\d{1,17}) (?P<wanted>\d{1,12})"
)
_log = get_logger()
_ENTRY: Final = re.compile(r"(\w+)=([^=,]+)")


class InvalidReportError(Exception):
    """A message has more lines than the edge's script sends."""


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """One bucket since its last report, in hits; see `LeaseRequest`. `denied` ones were refused."""

    entries: tuple[DescriptorEntry, ...]
    spent: int = 0
    denied: int = 0
    owed: int = 0
    returned: int = 0
    run_us: int = 0
    wanted: int = 0


class QuotaState(StrEnum):
    """Whether a bucket is limited now; without its counter it is not."""

    LIMITED = "limited"
    UNLIMITED = "unlimited"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class QuotaAssignment:
    """What a bucket may do. `remaining` hits are left to all beside the granted ones; times in seconds.

    With a `retry_s`, none is admitted until then.
    """

    state: QuotaState
    granted: int = 0
    remaining: int = 0
    limit: int = 0
    window_s: int = 0
    reset_s: float = 0.0
    retry_s: float = 0.0
    run_us: int = 0
    policy: str = UNANNOUNCED


def parse_reports(message: bytes) -> list[QuotaReport | None]:
    """Return the reports of a message, None for a line that cannot be read: the others count all the same.

    Raises InvalidReportError for a message of too many lines.
    """
    lines = message.decode(errors="replace").split("\n")
    if len(lines) > MAX_REPORTED_BUCKETS:
        raise InvalidReportError(f"the message has {len(lines)} lines; allowed: {MAX_REPORTED_BUCKETS}")
    return [_parse_line(line) for line in lines]


def format_assignments(assignments: Iterable[QuotaAssignment]) -> bytes:
    """Return the answer to a message."""
    return "\n".join(map(_format_line, assignments)).encode()


def _parse_line(line: str) -> QuotaReport | None:
    found = _LINE.fullmatch(line) if len(line) <= MAX_LINE_CHARS else None
    entries = _parse_entries(found["entries"]) if found else ()
    if not found or not entries:
        _log.warning(
            "a line is not `key=value,... SPENT DENIED OWED RETURNED RUN WANTED`",
            line=line[:MAX_LOGGED_CHARS],
            chars=len(line),
        )
        return None
    spent, denied, owed, returned, run_us, wanted = map(int, found.groups()[1:])
    return QuotaReport(entries, spent, denied, owed, returned, run_us, wanted)


def _parse_entries(text: str) -> tuple[DescriptorEntry, ...]:
    parts = [_ENTRY.fullmatch(part) for part in text.split(",")]
    found = tuple((part[1], unquote(part[2])) for part in parts if part)
    return found if len(found) == len(parts) else ()


def _format_line(answer: QuotaAssignment) -> str:
    times = (answer.window_s, answer.reset_s, answer.retry_s)
    window_ms, reset_ms, retry_ms = (math.ceil(1_000 * seconds) for seconds in times)
    counts = f"{answer.granted} {answer.remaining} {answer.limit}"
    return f"{answer.state} {counts} {window_ms} {reset_ms} {retry_ms} {answer.run_us} {answer.policy}"
