"""The limits of a stack, lifted for a while and put back."""

from pathlib import Path

import pytest

from devstack import rate_limiter, topology
from devstack.topology import Topology


@pytest.fixture
def stack(state_dir: Path) -> Topology:
    return topology.find_or_create_stack("unit", limits_times=2)


def limits_of(stack: Topology) -> dict[str, str]:
    return {path.name: path.read_text() for path in stack.limits_folder.glob("*.yaml")}


def test_lifted_limits_are_put_back_whatever_happens(stack: Topology) -> None:
    rate_limiter.write_rate_limits(stack)
    before = limits_of(stack)
    assert before

    with pytest.raises(SystemExit), rate_limiter.lifted_rate_limits(stack):
        lifted = limits_of(stack)
        raise SystemExit

    assert lifted.keys() == before.keys()
    assert lifted != before
    assert limits_of(stack) == before
