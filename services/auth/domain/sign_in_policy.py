"""The policy of failed sign-ins: how many are allowed, and how long a caller then waits.

Failures are counted, not successes, in three ways that separate callers:

- of one device or client at one account: the table's figures in a quarter of an hour; a success resets them;
- of unknown devices at one account: from the figure on, each waits longer than the last, up to five minutes.
  An unknown device presents no device token of the account, so failures of others never lock its owner
  out;
- of one client at all accounts: twenty people's figure, since a campus may share one address.

An unknown device has the same limits at every address, known or not: the figures of better plans are for
devices that have signed in before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from services.auth.domain.accounts import AccountPlan

FAILURE_WINDOW: Final = timedelta(minutes=15)
MAX_FAILURES: Final[Mapping[AccountPlan, int]] = {
    AccountPlan.FREE: 5,
    AccountPlan.PREMIUM: 10,
    AccountPlan.PRO: 20,
    AccountPlan.ADMIN: 50,
}
CLIENT_FACTORS: Final = (20, 80, 320)
"""The factors of a person's figure for a client, and for the IPv6 /56 and /48 around it."""


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """The figures, `factor` times as high for stacks under load tests."""

    factor: int = 1
    first_delay_s: float = 1.0
    max_delay_s: float = 300.0
    unknown_device_failures_life: timedelta = field(default=timedelta(hours=24))

    def max_failures(self, plan: AccountPlan) -> int:
        """Return the failures that one device may have in the window."""
        return MAX_FAILURES[plan] * self.factor

    def max_client_failures(self) -> tuple[int, ...]:
        """Return the failures of a client at all accounts, and of the networks around it."""
        return tuple(MAX_FAILURES[AccountPlan.FREE] * times * self.factor for times in CLIENT_FACTORS)

    def unknown_device_delay_s(self, failures: int) -> float:
        """Return the seconds that an unknown device waits after that many failures of others; 0 at first."""
        beyond = failures - self.max_failures(AccountPlan.FREE)
        if beyond < 0:
            return 0.0
        return min(self.max_delay_s, self.first_delay_s * 2.0 ** min(beyond, 30))


@dataclass(frozen=True, slots=True)
class FailureWindow:
    """The failures in the window; `ages_s` are their ages in seconds, the oldest first."""

    limit: int
    ages_s: Sequence[float] = ()

    @property
    def remaining(self) -> int:
        return max(0, self.limit - len(self.ages_s))

    @property
    def wait_s(self) -> float:
        """The seconds until another attempt may be made; 0 when it may be now."""
        if self.remaining:
            return 0.0
        return max(0.0, FAILURE_WINDOW.total_seconds() - self.ages_s[-self.limit])

    @property
    def reset_s(self) -> float:
        """The seconds until the oldest failure leaves the window; the whole window while there is none."""
        return FAILURE_WINDOW.total_seconds() - (self.ages_s[0] if self.ages_s else 0.0)


@dataclass(frozen=True, slots=True)
class SignInStanding:
    """The standing of a caller who is about to try a password.

    `own` are the failures of their device or client at the account. The others bind unknown devices only:
    `unknown_device_wait_s` and the failures of their client and the networks around it. `is_clean` says that
    no failure at the account is counted that a success would reset.
    """

    own: FailureWindow
    unknown_device_wait_s: float = 0.0
    clients: Sequence[FailureWindow] = ()
    is_clean: bool = False

    @property
    def binding_window(self) -> FailureWindow:
        """Return the window that answers report: their own, or their client's where that is spent."""
        spent = [each for each in self.clients if each.wait_s > self.own.wait_s]
        return max(spent, key=lambda each: each.wait_s, default=self.own)

    @property
    def wait_s(self) -> float:
        """The seconds that the caller has to wait; 0 when they may try."""
        return max(self.binding_window.wait_s, self.unknown_device_wait_s)
