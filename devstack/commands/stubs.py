"""`ic stubs`: build the typed stubs from protos/ into gen/."""

from pathlib import Path
from typing import Annotated

import typer

from devstack import stubs
from devstack.contract_export import export_contracts as write_export
from ops.console import console
from ops.paths import GEN, REPO


def register(app: typer.Typer) -> None:
    """Add `ic stubs`."""
    app.command("stubs")(build_stubs)


def build_stubs(
    force: Annotated[bool, typer.Option("--force", help="Build even when nothing changed.")] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Write what other languages need into this folder, too."),
    ] = None,
) -> None:
    """Build the typed stubs and the descriptor set from protos/ into gen/."""
    outcome = stubs.build_generated_stubs(force=force)
    console.print(f"{GEN.relative_to(REPO)}/: {outcome.value}")
    if export is not None:
        write_export(export)
        console.print(f"{export}/: contracts with their imports, descriptor set, Python package")
