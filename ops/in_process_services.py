"""A service's own code, opened in this process on the stores of a running cluster."""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Final, TypeVar

from chassis.clock import Clock
from chassis.service_definition import ServiceDefinition, ServiceResources, open_resources
from chassis.settings import ChassisSettings, load_settings
from chassis.sharding.slot_map_watch import ProcessIdentity, follow_slot_map
from ops.cluster import Cluster
from ops.service_logs import quiet_service_logs

S = TypeVar("S", bound=ChassisSettings)

PROCESS_ROLE: Final = "ops"
"""The role of this process on the shards while it writes to them."""


async def open_service_resources(
    service: str, settings: type[S], cluster: Cluster, closing: AsyncExitStack, *, clock: Clock
) -> ServiceResources[S]:
    """Return the resources that a service is built from, opened with the service's own users."""
    quiet_service_logs()
    with _environment_variables(cluster.service_environment(service)):
        loaded = load_settings(settings)
    resources = open_resources(service, loaded, closing, clock=clock)
    await closing.enter_async_context(
        follow_slot_map(resources.shards, ProcessIdentity(service, PROCESS_ROLE))
    )
    return resources


async def build_service(
    service: str, cluster: Cluster, closing: AsyncExitStack, *, clock: Clock
) -> ServiceDefinition:
    """Return a service of a running cluster, built in this process with the clock `clock`."""
    main = importlib.import_module(f"services.{service}.__main__")
    settings = getattr(main, f"{service.capitalize()}Settings")
    opened = await open_service_resources(service, settings, cluster, closing, clock=clock)
    definition: ServiceDefinition = main.build_service(opened)
    return definition


@contextmanager
def _environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
