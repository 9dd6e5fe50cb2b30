"""`ic status`: what a narrow screen shows."""

import pytest

from devstack.commands.status import fit_columns

WIDE = {
    "process": 18,
    "state": 8,
    "readiness": 60,
    "restarts": 8,
    "up for": 12,
    "memory": 8,
    "pid": 6,
    "ports": 40,
}


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (200, list(WIDE)),
        (100, ["process", "state", "readiness", "restarts", "up for", "memory"]),
        (80, ["process", "state", "readiness", "restarts", "memory"]),
        (40, ["process", "state", "readiness"]),
    ],
)
def test_a_narrow_screen_keeps_state_and_readiness(width: int, shown: list[str]) -> None:
    assert fit_columns(WIDE, width) == shown
