"""Accounts of a running cluster, by the auth service's own use cases on its stores."""

import getpass
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import uvloop
from cryptography.exceptions import InvalidTag

from chassis.call_context import Principal, acting_as
from chassis.clock import Clock, SystemClock
from chassis.errors import DomainError
from chassis.ids import is_id
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.in_process_services import open_service_resources
from ops.printable import printable
from services.auth.__main__ import build_cases
from services.auth.domain.accounts import Account
from services.auth.performers import OPERATOR_KIND
from services.auth.service.use_cases import AuthUseCases
from services.auth.settings import AuthSettings

T = TypeVar("T")

CLOCK: Final[Clock] = SystemClock()


def run_auth_cases(cluster: Cluster, act: Callable[[AuthUseCases], Awaitable[T]], operator: str = "") -> T:
    """Return the result of `act` with the use cases of the auth service on this cluster's stores.

    `operator` is the name that security events keep; by default that of the user of this machine.

    Raises:
        OpsError: a rule refuses it, or a store does not answer.
    """

    async def run() -> T:
        async with AsyncExitStack() as closing:
            resources = await open_service_resources("auth", AuthSettings, cluster, closing, clock=CLOCK)
            cases = build_cases(resources)
            closing.push_async_callback(cases.close)
            with acting_as(Principal(_operator_name(operator), OPERATOR_KIND)):
                return await act(cases)

    try:
        return uvloop.run(run())
    except DomainError as error:
        raise OpsError(error.message) from error
    except InvalidTag as error:
        raise OpsError("no data key of this cluster opens the keys of auth: see `ic keys status`") from error


def _operator_name(given: str) -> str:
    """Return the name that is kept. Raises OpsError for an ID, or where nobody knows the user's name."""
    if is_id("usr", given) or given != printable(given):
        raise OpsError("--as is the name of a person, such as `--as maria`")
    try:
        return given or getpass.getuser()
    except (KeyError, OSError):
        raise OpsError("this machine does not know your name: give it by --as NAME") from None


async def find_account(cases: AuthUseCases, address_or_id: str) -> Account:
    """Return the account of an address or a user ID. Raises DomainError USER_NOT_FOUND, INVALID_FIELD."""
    find = (
        cases.administration.get_account if is_id("usr", address_or_id) else cases.administration.find_account
    )
    return await find(address_or_id)
