"""The command `ic`.

Every module in `ops.commands` adds the command of its own name by a function `register(app)`, and its
docstring says in a line what that does: to add a command, add a module. Only the module of the command that
is called is imported, and for the list of commands none: each brings libraries of its own.
"""

import ast
import importlib
import os
import pkgutil
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from ops import commands
from ops.errors import OpsError
from ops.paths import REPO

HELP_OPTIONS: Final = ("-h", "--help")
_SUMMARY: Final = re.compile(r"`ic [\w-]+`: (?P<summary>.+)")


class Commands(TyperGroup):
    """The commands by their modules' names."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in order."""
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return what help says of a command, or None for an unknown one."""
        known = cmd_name in self.list_commands(ctx)
        return TyperCommand(cmd_name, help=summary(cmd_name)) if known else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, from its module."""
        if args and args[0] in self.list_commands(ctx):
            if not set(HELP_OPTIONS) & set(args):
                _quieten()
            return args[0], _loaded(args[0]), args[1:]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="ic",
    cls=Commands,
    help="Run, watch and test InternshipConnect on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": list(HELP_OPTIONS)},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
        typer.echo(f"ic {project['version']}")
        raise typer.Exit


@app.callback()
def ic(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Run, watch and test InternshipConnect on this machine."""


def summary(name: str) -> str:
    """Return what a command does, from its module's docstring; the module is not imported."""
    [folder] = commands.__path__
    docstring = ast.get_docstring(ast.parse((Path(folder) / f"{name}.py").read_text())) or ""
    match = _SUMMARY.match(docstring)
    if match is None:
        raise ValueError(f"the docstring of ops/commands/{name}.py does not begin with: `ic {name}`: ...")
    said = match["summary"]
    return said[0].upper() + said[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: an operator's mistake ends in one sentence and exit code 1, never in a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(given, prog_name="ic")
    except OpsError as error:
        from rich.markup import escape  # noqa: PLC0415 - nothing is imported for help

        from ops.console import console  # noqa: PLC0415

        console.print("[bold red]error:[/]", escape(str(error)), soft_wrap=True)
        sys.exit(1)


def _loaded(name: str) -> Any:
    alone = typer.Typer(add_completion=False)
    # With a callback, typer keeps the command's name on the command line even when it is the only one.
    alone.callback()(lambda: None)
    importlib.import_module(f"{commands.__name__}.{name}").register(alone)
    group = get_command(alone)
    assert isinstance(group, TyperGroup)
    return group.commands[name]


def _quieten() -> None:
    """What the services' code logs while a command uses it is no progress: from warnings on, on stderr."""
    import logging  # noqa: PLC0415

    import structlog  # noqa: PLC0415

    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


if __name__ == "__main__":
    main()
