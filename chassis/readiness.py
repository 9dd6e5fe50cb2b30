"""Readiness: whether this process can do its work, checked by calls to its dependencies."""

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
    """One dependency; `check` raises when it does not answer.

    At least one check of every `group` has to succeed: one shard of several may be missing, the last one may
    not. A failed check without a group only counts as a degradation.
    """

    name: str
    check: Callable[[], Awaitable[object]]
    group: str = ""


@dataclass(frozen=True)
class ReadinessReport:
    """The result: `checks` holds for each dependency whether it is up, its milliseconds and its error."""

    is_ready: bool
    checks: dict[str, dict[str, Any]]

    @property
    def degraded_checks(self) -> list[str]:
        """Return the dependencies that do not answer."""
        return [name for name, check in self.checks.items() if not check["up"]]


class ReadinessProbe:
    """Runs all checks at once; a result is reused for a second, by any number of callers.

    `checks` may be a function that returns the present checks.
    """

    def __init__(self, checks: Sequence[ReadinessCheck] | Callable[[], Sequence[ReadinessCheck]]) -> None:
        self._checks = checks if callable(checks) else lambda: checks
        self._lock = asyncio.Lock()
        self._last: ReadinessReport | None = None
        self._checked_at = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Report "not ready" from now on: the process is stopping."""
        self._stopping = True

    async def report(self) -> ReadinessReport:
        """Return the readiness, at most a second old, within a second."""
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
