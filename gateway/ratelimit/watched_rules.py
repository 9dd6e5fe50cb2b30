"""The active rules, reloaded when the files of a folder change and are valid."""

import asyncio
from pathlib import Path
from typing import Final

from chassis.observability.logging import get_logger
from gateway.ratelimit import metrics
from gateway.ratelimit.config import ConfigError, ConfigFiles, parse_rules, read_config_files
from gateway.ratelimit.rules import RateLimitRuleSet
from gateway.watched_content import WatchedContent

_DEBOUNCE_S: Final = 0.1

_log = get_logger()


class WatchedRules(WatchedContent[ConfigFiles, RateLimitRuleSet]):
    """The rules of a folder. It compares the files' content, so any way to replace them works.

    The first load has to succeed: it raises ConfigError or OSError.
    """

    def __init__(self, folder: Path, poll_interval_s: float) -> None:
        self._folder = folder
        self._error: ConfigError | None = None
        self._is_loaded = False
        metrics.config_reloads.labels("refused")  # exported as 0 before the first one
        super().__init__(poll_interval_s)

    def rules(self) -> RateLimitRuleSet:
        """Return the active rules."""
        return self.value

    async def check_valid(self) -> None:
        """Raise ConfigError while the folder's rules are invalid."""
        if self._error is not None:
            raise ConfigError(self._error.problems)

    def read_content(self) -> ConfigFiles:
        """Return the files of the folder."""
        return read_config_files(self._folder)

    def parse_content(self, content: ConfigFiles) -> RateLimitRuleSet:
        """Return the rules in the files. Raises ConfigError."""
        return parse_rules(content)

    async def is_settled(self, content: ConfigFiles) -> bool:
        """Return whether the files are complete: a partly written file may be valid, but it changes again."""
        await asyncio.sleep(_DEBOUNCE_S)
        return await asyncio.to_thread(self.read_content) == content

    def accept(self, content: ConfigFiles) -> None:
        """Log the reload, and end the complaint about an earlier one."""
        self._error = None
        if self._is_loaded:
            metrics.config_reloads.labels("accepted").inc()
            _log.info("new limits are in force", files=sorted(content))
        self._is_loaded = True

    def reject(self, error: Exception) -> None:
        """Log the errors once, and keep them for `check_valid`."""
        if not isinstance(error, ConfigError):
            # When the files can be read again they are new, even those of the last time.
            self._last_content = {}
            error = ConfigError([f"cannot be read: {error}"])
        if self._error is not None and self._error.problems == error.problems:
            return
        self._error = error
        metrics.config_reloads.labels("refused").inc()
        _log.error("new limits are wrong, the old ones stay in force", errors=error.problems)
