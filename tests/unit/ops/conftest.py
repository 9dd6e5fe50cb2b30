"""A stack's record in a folder of the test's own."""

from tests.unit.devstack.conftest import local as local  # noqa: PLC0414 - a fixture, for pytest to find
from tests.unit.devstack.conftest import stack as stack  # noqa: PLC0414
from tests.unit.devstack.conftest import state_dir as state_dir  # noqa: PLC0414
