"""One world for each test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integration.control_plane.harness import ControlPlaneHarness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ControlPlaneHarness]:
    async with AsyncExitStack() as closing:
        harness = ControlPlaneHarness(tmp_path, closing, is_patient=True)
        await harness.start_control_plane()
        closing.push_async_callback(harness.stop_control_plane)
        yield harness
