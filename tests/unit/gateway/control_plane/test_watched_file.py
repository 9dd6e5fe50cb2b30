"""A file that is watched takes effect when it changes and is right."""

import asyncio
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import REGISTRY

from chassis.settings import MisconfiguredError
from gateway.control_plane.watched_file import WatchedFile
from gateway.xds.mesh import Mesh
from tests.fakes.controlled_sleep import ControlledSleep

GOOD: Final = """
services: {user: {port: 5002, endpoints: {registry: true}}}
limits: {max_requests: 500}
"""


def _failed_reloads() -> float:
    return REGISTRY.get_sample_value("xds_reload_errors_total", {"file": "mesh.yaml"}) or 0


async def test_a_changed_file_is_taken_over_and_a_bad_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(GOOD)
    sleep = ControlledSleep()
    file = WatchedFile(path, Mesh.parse, sleep=sleep)
    changes = file.watch_values()
    before = _failed_reloads()
    path.write_text(GOOD.replace("500", "lots and lots"))
    waiting = asyncio.ensure_future(anext(changes))
    await sleep.look()
    assert file.value.limits.max_requests == 500
    assert _failed_reloads() == before + 1
    path.write_text(GOOD.replace("500", "600"))
    await sleep.end()
    assert (await waiting).limits.max_requests == 600


def test_a_bad_file_at_the_start_stops_the_process_with_every_complaint(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("services: {}")
    with pytest.raises(MisconfiguredError, match=r"mesh\.yaml: services"):
        WatchedFile(path, Mesh.parse)
    with pytest.raises(MisconfiguredError, match="No such file"):
        WatchedFile(tmp_path / "missing", Mesh.parse)
