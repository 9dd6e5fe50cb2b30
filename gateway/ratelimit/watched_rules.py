"""Keeps the rules in force the ones that the folder holds, unless those are wrong."""

import asyncio
from pathlib import Path

from chassis.observability.logging import get_logger
from gateway.ratelimit import metrics
from gateway.ratelimit.config import ConfigError, ConfigFiles, parse_rules, read_config_files
from gateway.ratelimit.rules import RateLimitRuleSet

_DEBOUNCE_S = 0.1

_log = get_logger()


class WatchedRules:
    """The rules of a folder. Looks at what the files hold, so that it does not matter how they are replaced.

    The first reading has to succeed: raises ConfigError or OSError.
    """

    def __init__(self, folder: Path, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self._seen = read_config_files(folder)
        self._rules = parse_rules(self._seen)
        self._wrong: ConfigError | None = None

    def rules(self) -> RateLimitRuleSet:
        """The rules in force."""
        return self._rules

    async def check(self) -> None:
        """Raises ConfigError while the folder holds something else than what is in force."""
        if self._wrong is not None:
            raise ConfigError(self._wrong.problems)

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.look()

    async def look(self) -> None:
        """Puts new rules in force when the files have changed and have no errors."""
        try:
            found = await asyncio.to_thread(read_config_files, self._folder)
            if found != self._seen and await self._is_settled(found):
                self._seen = found
                await self._take(found)
        except OSError as error:
            self._seen = {}
            self._refuse(ConfigError([f"cannot be read: {error}"]))

    async def _is_settled(self, found: ConfigFiles) -> bool:
        """Half a file may be as valid as the whole one, but it does not stay half."""
        await asyncio.sleep(_DEBOUNCE_S)
        return await asyncio.to_thread(read_config_files, self._folder) == found

    async def _take(self, found: ConfigFiles) -> None:
        try:
            self._rules = await asyncio.to_thread(parse_rules, found)
        except ConfigError as error:
            self._refuse(error)
            return
        self._wrong = None
        metrics.config_reloads.labels("accepted").inc()
        _log.info("new limits are in force", files=sorted(found))

    def _refuse(self, error: ConfigError) -> None:
        if self._wrong is not None and self._wrong.problems == error.problems:
            return
        self._wrong = error
        metrics.config_reloads.labels("refused").inc()
        _log.error("new limits are wrong, the old ones stay in force", errors=error.problems)
