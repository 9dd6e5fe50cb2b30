"""The common part of all contents."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class NotificationCategory(StrEnum):
    """The subject area of a notification."""

    SECURITY = "SECURITY"
    APPLICATION = "APPLICATION"
    LISTING = "LISTING"
    COMPANY = "COMPANY"


@dataclass(frozen=True, kw_only=True)
class NotificationContent:
    """The content of a notification; subclasses name the template and hold its variables."""

    template: ClassVar[str]
    version: ClassVar[int] = 1
    category: ClassVar[NotificationCategory]
    in_inbox: ClassVar[bool] = True
    named: ClassVar[bool] = True
    """Whether the mail addresses its reader by name.

    Never where another person may have typed both the name and the address: the mail would carry that
    person's words to any address.
    """

    @property
    def about(self) -> str:
        """The ID of the notification's subject; empty when that is the account itself."""
        return ""

    @property
    def path(self) -> str:
        """The path of its link under the public address: a page of `gateway/pages`."""
        return "/app/login"

    @property
    def fragment(self) -> str:
        """The part of its link after the `#`: a secret for the page's script, which browsers do not send."""
        return ""
