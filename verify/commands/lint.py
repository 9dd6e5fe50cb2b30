"""`ic lint`: run every check that needs no running stack."""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from devstack import stubs
from devstack.paths import DESCRIPTORS
from devstack.toolbox import tools
from ops.console import console
from ops.errors import OpsError
from ops.paths import PROTOS, REPO
from verify.code_rules.rules import find_violations


class CheckSkipped(Exception):  # noqa: N818 - an outcome, not an error
    """A check has nothing to examine here; the message says why."""


@dataclass(frozen=True)
class LintCheck:
    """A check by name."""

    name: str
    run: Callable[[], None]


def register(app: typer.Typer) -> None:
    """Add `ic lint`."""
    app.command("lint")(lint)


def lint() -> None:
    """Check style, types, contracts and the direction of imports."""
    stubs.build_generated_stubs()
    failed = [check.name for check in LINT_CHECKS if not _passes(check)]
    if failed:
        raise OpsError(f"{len(failed)} of {len(LINT_CHECKS)} checks failed: {', '.join(failed)}")


def _passes(check: LintCheck) -> bool:
    start = time.monotonic()
    try:
        check.run()
    except CheckSkipped as reason:
        console.print(f"[yellow]skip[/] {check.name}: {reason}")
    except OpsError as error:
        console.print(f"[red]FAIL[/] {check.name}")
        console.print(str(error), markup=False)
        return False
    else:
        console.print(f"[green]pass[/] {check.name} [dim]{time.monotonic() - start:.1f} s[/]")
    return True


def _check_breaking_changes() -> None:
    with tempfile.TemporaryDirectory(prefix="ic-breaking-") as scratch:
        before = Path(scratch) / "main.binpb"
        stubs.write_descriptor_set(_unpack_main_protos(Path(scratch)), before)
        _run_tool("buf", "breaking", str(DESCRIPTORS), "--against", str(before))


def _check_openapi() -> None:
    """Check the documents; they are made from the stubs, so these are imported only now."""
    if not tools.has_node():
        raise CheckSkipped("node and npm are not on the PATH")
    openapi = importlib.import_module("gateway.openapi.document")
    spectral = str(tools.node_tool("spectral"))
    with tempfile.TemporaryDirectory(prefix="ic-openapi-") as scratch:
        documents = {"openapi.json": False, "openapi-all.json": True}
        for name, with_older in documents.items():
            document = openapi.build_openapi(DESCRIPTORS, with_older=with_older)
            (Path(scratch) / name).write_text(json.dumps(document))
        rules = str(REPO / "gateway" / "openapi" / "spectral.yaml")
        paths = [str(Path(scratch) / name) for name in documents]
        _run_command(spectral, "lint", "--quiet", "--ruleset", rules, "--fail-severity", "hint", *paths)


def _check_code_rules() -> None:
    violations = find_violations(REPO)
    if violations:
        raise OpsError("\n".join(map(str, violations)))


LINT_CHECKS = (
    LintCheck("ruff check", lambda: _run_tool("ruff", "check", ".")),
    LintCheck("ruff format", lambda: _run_tool("ruff", "format", "--check", ".")),
    LintCheck("mypy", lambda: _run_tool("mypy")),
    LintCheck("buf lint", lambda: _run_tool("buf", "lint", str(DESCRIPTORS))),
    LintCheck("buf format", lambda: _run_tool("buf", "format", "--diff", "--exit-code", str(PROTOS))),
    LintCheck("buf breaking", _check_breaking_changes),
    LintCheck("spectral", _check_openapi),
    LintCheck("lint-imports", lambda: _run_tool("lint-imports", "--no-logo", "--no-cache")),
    LintCheck("code rules", _check_code_rules),
)


def _unpack_main_protos(scratch: Path) -> Path:
    """Unpack the contracts of the branch main."""
    for branch in ("main", "origin/main"):
        archive = subprocess.run(
            ["git", "archive", "--format=tar", branch, "protos"],
            cwd=REPO,
            check=False,
            capture_output=True,
        )
        if archive.returncode == 0:
            subprocess.run(["tar", "-x", "-C", str(scratch)], check=True, input=archive.stdout)
            return scratch / "protos"
    raise CheckSkipped("there is no git branch main with contracts to compare with")


def _run_tool(name: str, *arguments: str) -> None:
    _run_command(str(Path(sys.executable).parent / name), *arguments)


def _run_command(*command: str) -> None:
    done = subprocess.run(
        command, cwd=REPO, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise OpsError(done.stdout.strip())
