"""Whether this process can do its work, found out by really asking what it depends on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

CHECK_TIMEOUT_S: Final = 1.0
MAX_REPORT_AGE_S: Final = 1.0
_MAX_ERROR_CHARS: Final = 200


@dataclass(frozen=True)
class ReadinessCheck:
    """One dependency; `ask` raises when it does not answer.

    At least one check of every `group` has to succeed: one shard of several may be missing, the last one
    may not. A check without a group only tells of a degradation.
    """

    name: str
    check: Callable[[], Awaitable[object]]
    group: str = ""


@dataclass(frozen=True)
class ReadinessReport:
    """`checks` tells for each dependency whether it is up, in how many milliseconds, and what went wrong."""

    is_ready: bool
    checks: dict[str, dict[str, Any]]

    @property
    def degraded_checks(self) -> list[str]:
        """The dependencies that do not answer."""
        return [name for name, check in self.checks.items() if not check["up"]]


class ReadinessProbe:
    """Asks all checks at once; an answer counts for a second, however many ask for it.

    `checks` may be a function that says what there is to ask now.
    """

    def __init__(self, checks: Sequence[ReadinessCheck] | Callable[[], Sequence[ReadinessCheck]]) -> None:
        self._checks = checks if callable(checks) else lambda: checks
        self._lock = asyncio.Lock()
        self._last: ReadinessReport | None = None
        self._checked_at = 0.0
        self._stopping = False

    def stop(self) -> None:
        """From now on the answer is no: the process is going away."""
        self._stopping = True

    async def report(self) -> ReadinessReport:
        """Return the state of things, at most a second old; takes no longer than a second to find out."""
        if self._stopping:
            return ReadinessReport(False, {"process": {"up": False, "error": "stopping"}})
        async with self._lock:
            if self._last is None or monotonic() - self._checked_at > MAX_REPORT_AGE_S:
                self._last = await self._run_checks()
                self._checked_at = monotonic()
            return self._last

    async def _run_checks(self) -> ReadinessReport:
        checks = self._checks()
        answers = await asyncio.gather(*(_run_check(check) for check in checks))
        up = {check.name: answer for check, answer in zip(checks, answers, strict=True)}
        groups = {check.group for check in checks if check.group}
        alive = {check.group for check in checks if up[check.name]["up"]}
        return ReadinessReport(groups <= alive, up)


async def _run_check(check: ReadinessCheck) -> dict[str, Any]:
    started = monotonic()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check.check()
    except TimeoutError:
        return {"up": False, "error": f"no answer within {CHECK_TIMEOUT_S:g} s"}
    except Exception as error:
        return {"up": False, "error": (str(error) or type(error).__name__)[:_MAX_ERROR_CHARS]}
    return {"up": True, "ms": round((monotonic() - started) * 1000, 1)}
