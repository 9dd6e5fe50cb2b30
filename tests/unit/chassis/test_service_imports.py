"""A service's start imports nothing that it does not use: each module costs every process time and memory."""

import importlib
import subprocess
import sys

import pytest

from chassis.optional_dependencies import hide_optional_dependencies
from ops.paths import GEN, REPO
from ops.service_names import SERVICES

UNUSED_AT_START = frozenset(
    {
        *("rich", "pygments", "colorama"),  # structlog's rendering for terminals
        *("opentelemetry", "psutil"),  # redis's own metrics; traces are imported with an endpoint only
        *("faker", "typer", "supervisor", "httpx", "pytest"),
        *("ops", "devstack", "verify"),
    }
)


@pytest.mark.parametrize("role", ["serve", "work"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_without_modules_that_it_does_not_use(service: str, role: str) -> None:
    program = f"import sys, services.{service}.__main__, chassis.roles.{role}; print(*sys.modules)"

    imported = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=REPO,
        env={"PYTHONPATH": f"{REPO}:{GEN}"},
    ).stdout.split()

    assert f"services.{service}.__main__" in imported
    assert UNUSED_AT_START.isdisjoint(name.partition(".")[0] for name in imported)


def test_a_hidden_module_is_missing_in_the_block_only() -> None:
    sys.modules.pop("colorsys", None)

    with hide_optional_dependencies("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")

    assert importlib.import_module("colorsys").__name__ == "colorsys"


def test_a_module_that_is_imported_already_stays_visible() -> None:
    with hide_optional_dependencies("json"):
        assert importlib.import_module("json").loads("1") == 1
