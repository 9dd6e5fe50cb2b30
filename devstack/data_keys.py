"""The data keys of a local stack: a service gets a new one, and the former ones go."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from devstack import lifecycle
from devstack.credentials import Credentials, ServiceSecrets
from devstack.topology import Topology
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.secret_values import new_key
from ops.waiting import wait_until

MAX_USE: Final = timedelta(days=30)
"""For how long something is valid that a former key signed: a refresh token that is not used."""
RENEWAL_TIMEOUT_S: Final = 300.0
POLL_INTERVAL_S: Final = 2.0


def rotate_data_key(topology: Topology, service: str, now: datetime) -> None:
    """Store a new data key for the service; the one until now joins those that decrypt."""
    credentials = Credentials.load_or_create(topology)
    own = _secrets_of(credentials, service)
    own.other_data_keys.insert(0, own.data_key)
    own.data_key, own.data_key_time = new_key(), now
    credentials.save(topology)


def retire_data_keys(topology: Topology, service: str, now: datetime, *, at_once: bool) -> None:
    """Remove the former data keys of the service.

    Raises:
        OpsError: there is none, or something may be in use that one of them signed, without `at_once`.
    """
    credentials = Credentials.load_or_create(topology)
    own = _secrets_of(credentials, service)
    if not own.other_data_keys:
        raise OpsError(f"{service} has no former data key")
    retirable = (own.data_key_time or now) + MAX_USE
    if now < retirable and not at_once:
        raise OpsError(
            f"what a former key signed is valid until {retirable:%Y-%m-%d}: wait, or end it by --at-once"
        )
    own.other_data_keys.clear()
    credentials.save(topology)


def restart_services(topology: Topology, steps: StepProgress) -> None:
    """Restart the services, whose settings have changed, and wait until they are ready."""
    lifecycle.start_stack(topology, steps)


def wait_until_renewed(count_left: Callable[[], int], tell: Callable[[int], None]) -> None:
    """Wait until no secret is left. Raises OpsError after some minutes."""

    def is_done() -> bool:
        left = count_left()
        tell(left)
        return left == 0

    if not wait_until(is_done, timeout_s=RENEWAL_TIMEOUT_S, interval_s=POLL_INTERVAL_S):
        raise OpsError("some secrets are not renewed yet: see `ic keys status` and `ic logs auth-work`")


def _secrets_of(credentials: Credentials, service: str) -> ServiceSecrets:
    if service not in credentials.services:
        raise OpsError(f"there is no service '{service}'; there are: {', '.join(credentials.services)}")
    return credentials.services[service]
