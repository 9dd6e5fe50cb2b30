"""One world for each test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integration.control_plane.harness import ControlPlaneHarness


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ControlPlaneHarness]:
    async with AsyncExitStack() as closing:
        world = ControlPlaneHarness(tmp_path, closing)
        await world.start_control_plane()
        closing.push_async_callback(world.stop_control_plane)
        yield world
