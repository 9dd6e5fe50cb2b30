"""The process of a service: `python -m services.<name> serve` or `… work`."""

import importlib
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, NoReturn, TypeVar

from chassis.process import ProcessWork, close_on_exit, run_process
from chassis.service_definition import ServiceDefinition, ServiceResources, open_resources
from chassis.settings import ChassisSettings

__all__ = ["ServiceDefinition", "ServiceResources", "run_service"]

_ROLES: Final = {
    "serve": ("chassis.roles.serve", "ServeRole"),
    "work": ("chassis.roles.work", "WorkRole"),
}
_EXIT_WRONG_USAGE: Final = 2

S = TypeVar("S", bound=ChassisSettings)


def run_service(
    name: str, settings: type[S], build: Callable[[ServiceResources[S]], ServiceDefinition]
) -> NoReturn:
    """Run the service `name` in the role that the command line names, until SIGTERM or SIGINT.

    Exits with 0 after a graceful end, 1 when it cannot start, 2 when the settings or the role are wrong.
    """
    role = _parse_role(sys.argv)
    run_process(name, role, settings, partial(_prepare_role, name, role, build))


async def _prepare_role(
    name: str,
    role: str,
    build: Callable[[ServiceResources[S]], ServiceDefinition],
    settings: S,
    closing: AsyncExitStack,
) -> ProcessWork:
    resources = open_resources(name, settings, closing)
    definition = build(resources)
    for close in definition.on_close:
        close_on_exit(closing, close)
    return _build_role(role, resources, definition)


def _parse_role(arguments: list[str]) -> str:
    if len(arguments) != 2 or arguments[1] not in _ROLES:
        print(f"usage: python -m services.<name> {'|'.join(_ROLES)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_EXIT_WRONG_USAGE)
    return arguments[1]


def _build_role(name: str, resources: ServiceResources[S], definition: ServiceDefinition) -> ProcessWork:
    # Imported only here, as neither role needs the libraries of the other.
    module, role = _ROLES[name]
    work: ProcessWork = getattr(importlib.import_module(module), role)(resources, definition)
    return work
