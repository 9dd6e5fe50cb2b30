"""A stack under fire: its people, and a watch on its processes while each file of tests runs."""

from collections.abc import Iterator

import pytest

from ops.service_names import SERVICES
from tests.hostile.callers import CallerDirectory
from tests.hostile.process_health import ProcessSnapshot, assert_processes_survived
from tests.hostile.raw_grpc import RawGrpcChannel
from tests.hostile.slow_clients import SlowClients
from tests.stack import StackHandle


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    """Return the stack under test."""
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def cast(stack: StackHandle) -> CallerDirectory:
    """Return all callers."""
    return CallerDirectory.assemble(stack)


@pytest.fixture(scope="session")
def lines(stack: StackHandle) -> Iterator[dict[str, RawGrpcChannel]]:
    """Yield a channel to the gateway and one to each service's own port."""
    addresses = {service: stack.grpc_address(service) for service in SERVICES}
    gateway = stack.gateway_url.partition("//")[2]
    opened = {
        name: RawGrpcChannel(name, address) for name, address in {"gateway": gateway, **addresses}.items()
    }
    yield opened
    for line in opened.values():
        line.__exit__()


@pytest.fixture(scope="session", autouse=True)
def siege(stack: StackHandle) -> Iterator[SlowClients]:
    """Run slow clients that hold the gateway during all other tests."""
    with SlowClients(stack) as siege:
        yield siege


@pytest.fixture(scope="module", autouse=True)
def _everything_stands(stack: StackHandle) -> Iterator[None]:
    before = ProcessSnapshot.of(stack)
    yield
    assert_processes_survived(stack, before)
