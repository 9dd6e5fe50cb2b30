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
        *("pdfminer", "docx", "lxml"),  # what reads files runs in processes of its own
        *("ops", "devstack", "verify"),
    }
)


@pytest.mark.parametrize("role", ["serve", "work"])
def test_services_start_without_modules_that_they_do_not_use(role: str) -> None:
    mains = [f"services.{service}.__main__" for service in SERVICES]
    program = f"import sys, {', '.join(mains)}, chassis.roles.{role}; print(*sys.modules)"

    imported = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=REPO,
        env={"PYTHONPATH": f"{REPO}:{GEN}"},
    ).stdout.split()

    assert set(mains) <= set(imported)
    assert UNUSED_AT_START.isdisjoint(name.partition(".")[0] for name in imported)


def test_a_hidden_module_is_missing_in_the_block_only() -> None:
    sys.modules.pop("colorsys", None)

    with hide_optional_dependencies("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")

    assert importlib.import_module("colorsys").__name__ == "colorsys"


def test_a_module_that_is_imported_already_stays_visible() -> None:
    with hide_optional_dependencies("json"):
        assert importlib.import_module("json").loads("1") == 1
