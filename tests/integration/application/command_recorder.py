"""Records the commands that are sent to MongoDB."""

from typing import Any

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)


class QueryRecorder(CommandListener):
    """Records queries and updates by collection while `recording` is set."""

    def __init__(self) -> None:
        self.recording = False
        self.filters: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if not self.recording:
            return
        command = event.command
        if event.command_name == "find":
            self.filters.append((str(command["find"]), dict(command["filter"])))
        for update in command.get("updates", ()):
            self.filters.append((str(command["update"]), dict(update["q"])))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""
