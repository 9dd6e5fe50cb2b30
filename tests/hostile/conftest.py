"""A stack under fire: its people, and a watch on its processes while each file of tests runs."""

from collections.abc import Iterator

import pytest

from ops.stack.topology import SERVICES
from tests.hostile.cast import Cast
from tests.hostile.guard import Snapshot, must_have_stood
from tests.hostile.siege import Siege
from tests.hostile.wire import Line
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The stack under test."""
    return Stack.under_test()


@pytest.fixture(scope="session")
def cast(stack: Stack) -> Cast:
    """Everybody who calls."""
    return Cast.assemble(stack)


@pytest.fixture(scope="session")
def lines(stack: Stack) -> Iterator[dict[str, Line]]:
    """The gateway, and each service's own port."""
    addresses = {service: stack.grpc_address(service) for service in SERVICES}
    gateway = stack.gateway_url.partition("//")[2]
    opened = {name: Line(name, address) for name, address in {"gateway": gateway, **addresses}.items()}
    yield opened
    for line in opened.values():
        line.__exit__()


@pytest.fixture(scope="session", autouse=True)
def siege(stack: Stack) -> Iterator[Siege]:
    """Slow clients who hold the gateway while everything else goes on."""
    with Siege(stack) as siege:
        yield siege


@pytest.fixture(scope="module", autouse=True)
def _everything_stands(stack: Stack) -> Iterator[None]:
    before = Snapshot.of(stack)
    yield
    must_have_stood(stack, before)
