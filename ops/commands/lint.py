"""`ic lint`: every check that needs no running stack."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from ops import stubs
from ops.console import console
from ops.errors import OpsError
from ops.paths import DESCRIPTORS, PROTOS, REPO, existing_rooms
from ops.stack.topology import SERVICES


class Skipped(Exception):  # noqa: N818 - an outcome, not an error
    """A check has nothing to look at here; the message says why."""


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    run: Callable[[], None]


def register(app: typer.Typer) -> None:
    """Adds `ic lint`."""
    app.command("lint")(lint)


def lint() -> None:
    """Check style, types, contracts and the direction of imports."""
    stubs.build()
    failed = [check.name for check in CHECKS if not _passes(check)]
    if failed:
        raise OpsError(f"{len(failed)} of {len(CHECKS)} checks failed: {', '.join(failed)}")


def _passes(check: Check) -> bool:
    start = time.monotonic()
    try:
        check.run()
    except Skipped as reason:
        console.print(f"[yellow]skip[/] {check.name}: {reason}")
    except OpsError as error:
        console.print(f"[red]FAIL[/] {check.name}")
        console.print(str(error), markup=False)
        return False
    else:
        console.print(f"[green]pass[/] {check.name} [dim]{time.monotonic() - start:.1f} s[/]")
    return True


def _ruff_check() -> None:
    _tool("ruff", "check", ".")


def _ruff_format() -> None:
    _tool("ruff", "format", "--check", ".")


def _types() -> None:
    rooms = [*existing_rooms(), *(["tests"] if any((REPO / "tests").rglob("*.py")) else [])]
    _tool("mypy", *(argument for room in rooms for argument in ("-p", room)))


def _contracts() -> None:
    _need_contracts()
    _tool("buf", "lint", str(DESCRIPTORS))


def _contract_format() -> None:
    _need_contracts()
    _tool("buf", "format", "--diff", "--exit-code", str(PROTOS))


def _contract_breaking() -> None:
    _need_contracts()
    with tempfile.TemporaryDirectory(prefix="ic-breaking-") as scratch:
        before = Path(scratch) / "main.binpb"
        stubs.write_descriptor_set(_protos_on_main(Path(scratch)), before)
        _tool("buf", "breaking", str(DESCRIPTORS), "--against", str(before))


def _imports() -> None:
    missing = [name for name in SERVICES if not (REPO / "services" / name / "__main__.py").exists()]
    if missing:
        raise Skipped(f"it names rooms that are not built yet: {', '.join(missing)}")
    _tool("lint-imports", "--no-logo", "--no-cache")


CHECKS = (
    Check("ruff check", _ruff_check),
    Check("ruff format", _ruff_format),
    Check("mypy", _types),
    Check("buf lint", _contracts),
    Check("buf format", _contract_format),
    Check("buf breaking", _contract_breaking),
    Check("lint-imports", _imports),
)


def _need_contracts() -> None:
    if not stubs.proto_files(PROTOS):
        raise Skipped("protos/ holds no contract yet")


def _protos_on_main(scratch: Path) -> Path:
    """Unpacks the contracts as they are on main."""
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
    raise Skipped("there is no git branch main with contracts to compare with")


def _tool(name: str, *arguments: str) -> None:
    command: Sequence[str] = [str(Path(sys.executable).parent / name), *arguments]
    done = subprocess.run(
        command, cwd=REPO, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise OpsError(done.stdout.strip())
