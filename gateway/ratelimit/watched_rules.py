"""The active rules, reloaded when the files of a folder change and are valid."""

import asyncio
from pathlib import Path

from chassis.observability.logging import get_logger
from gateway.ratelimit import metrics
from gateway.ratelimit.config import ConfigError, ConfigFiles, parse_rules, read_config_files
from gateway.ratelimit.rules import RateLimitRuleSet

_DEBOUNCE_S = 0.1

_log = get_logger()


class WatchedRules:
    """The rules of a folder. It compares the files' content, so any way to replace them works.

    The first load has to succeed: it raises ConfigError or OSError.
    """

    def __init__(self, folder: Path, poll_interval_s: float) -> None:
        self._folder = folder
        self._poll_interval_s = poll_interval_s
        self._last_files = read_config_files(folder)
        self._rules = parse_rules(self._last_files)
        self._error: ConfigError | None = None

    def rules(self) -> RateLimitRuleSet:
        """Return the active rules."""
        return self._rules

    async def check_valid(self) -> None:
        """Raise ConfigError while the folder's rules are invalid."""
        if self._error is not None:
            raise ConfigError(self._error.problems)

    async def watch_forever(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(self._poll_interval_s)
            await self.poll()

    async def poll(self) -> None:
        """Activate new rules when the files have changed and have no errors."""
        try:
            found = await asyncio.to_thread(read_config_files, self._folder)
            if found != self._last_files and await self._is_settled(found):
                self._last_files = found
                await self._reload(found)
        except OSError as error:
            self._last_files = {}
            self._reject(ConfigError([f"cannot be read: {error}"]))

    async def _is_settled(self, found: ConfigFiles) -> bool:
        """Return whether the files are complete: a partly written file may be valid, but it changes again."""
        await asyncio.sleep(_DEBOUNCE_S)
        return await asyncio.to_thread(read_config_files, self._folder) == found

    async def _reload(self, found: ConfigFiles) -> None:
        try:
            self._rules = await asyncio.to_thread(parse_rules, found)
        except ConfigError as error:
            self._reject(error)
            return
        self._error = None
        metrics.config_reloads.labels("accepted").inc()
        _log.info("new limits are in force", files=sorted(found))

    def _reject(self, error: ConfigError) -> None:
        if self._error is not None and self._error.problems == error.problems:
            return
        self._error = error
        metrics.config_reloads.labels("refused").inc()
        _log.error("new limits are wrong, the old ones stay in force", errors=error.problems)
