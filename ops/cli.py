"""The command `ic`.

Every module in `COMMAND_PACKAGES` adds the command of its own name by a function `register(app)`, and the
first line of its docstring is the command's help: to add a command, add a module (`a_b` for `a-b`). Only the
module of the called command is imported, and for the list of commands none, since each needs libraries of
its own.
"""

import ast
import importlib
import importlib.util
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

from ops.errors import OpsError
from ops.options import LOCAL_CLUSTER, choose_cluster, chosen_cluster
from ops.paths import PROTOS, REPO, STUBS_DIGEST

OPERATOR_PACKAGE: Final = "ops.commands"
COMMAND_PACKAGES: Final = (OPERATOR_PACKAGE, "devstack.commands", "verify.commands")
"""An image holds the operator's commands only; a checkout has all."""
DISTRIBUTION: Final = "internshipconnect"
PROJECT_FILE: Final = "pyproject.toml"
STUBS_COMMAND: Final = "stubs"
HELP_OPTIONS: Final = ("-h", "--help")
_SUMMARY: Final = re.compile(r"`ic [\w-]+`: (?P<summary>.+)")


class CommandGroup(TyperGroup):
    """The commands by their modules' names."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in order."""
        return sorted(command_modules())

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return a command with its help, or None for an unknown one."""
        known = cmd_name in self.list_commands(ctx)
        return TyperCommand(cmd_name, help=command_summary(cmd_name)) if known else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the called command, from its module."""
        if args and args[0] in self.list_commands(ctx):
            _require_local_cluster(args[0])
            if args[0] != STUBS_COMMAND:
                _refresh_stubs()
            command = _load_command(args[0])
            _quiet_service_logs()
            return args[0], command, args[1:]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="ic",
    cls=CommandGroup,
    help="Operate InternshipConnect, on this machine or on any cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": list(HELP_OPTIONS)},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ic {read_version()}")
        raise typer.Exit


def read_version() -> str:
    """Return the version of the checkout, or of the installed distribution; "unknown" for copied code."""
    project_file = REPO / PROJECT_FILE
    if project_file.exists():
        return str(tomllib.loads(project_file.read_text())["project"]["version"])
    import importlib.metadata  # noqa: PLC0415 - nothing is imported for help

    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@app.callback()
def ic(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
    _cluster: Annotated[
        str,
        typer.Option(
            "--cluster",
            envvar="IC_CLUSTER",
            metavar="local|FILE",
            callback=choose_cluster,
            help="The local stack that --stack names, or a file with a cluster's endpoints.",
        ),
    ] = LOCAL_CLUSTER,
) -> None:
    """Operate InternshipConnect, on this machine or on any cluster."""


def command_modules() -> dict[str, Path]:
    """Return the file of each command's module, by the command's name; no module is imported."""
    return {
        module.name.replace("_", "-"): Path(folder) / f"{module.name}.py"
        for package in COMMAND_PACKAGES
        for folder in _folders_of(package)
        for module in pkgutil.iter_modules([folder])
    }


def _folders_of(package: str) -> list[str]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return []
    return list(spec.submodule_search_locations or ()) if spec else []


def command_summary(name: str) -> str:
    """Return a command's help, from its module's docstring; the module is not imported."""
    path = command_modules()[name]
    match = _SUMMARY.match(ast.get_docstring(ast.parse(path.read_text())) or "")
    if match is None:
        raise ValueError(f"the docstring of {path} does not begin with: `ic {name}`: ...")
    summary = match["summary"]
    return summary[0].upper() + summary[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `ic`: an operator's mistake ends in one sentence and exit code 1, never in a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(given, prog_name="ic")
    except OpsError as error:
        from rich.markup import escape  # noqa: PLC0415 - nothing is imported for help

        from ops.console import console  # noqa: PLC0415

        console.print("[bold red]error:[/]", escape(str(error)), soft_wrap=True)
        sys.exit(1)


def _load_command(name: str) -> Any:
    alone = typer.Typer(add_completion=False)
    # With a callback, typer expects the command's name even when it is the only one.
    alone.callback()(lambda: None)
    importlib.import_module(f"{_package_of(name)}.{command_modules()[name].stem}").register(alone)
    group = get_command(alone)
    assert isinstance(group, TyperGroup)
    return group.commands[name]


def _refresh_stubs() -> None:
    """Build the stubs of a checkout that are missing or older than a contract: commands import them.

    Raises:
        OpsError: there are none, and protoc refuses a contract. Older ones stay in use.
    """
    if not PROTOS.is_dir() or not _is_stale(STUBS_DIGEST, PROTOS):
        return
    try:
        importlib.import_module("devstack.stubs").build_generated_stubs()
    except OpsError:
        if not STUBS_DIGEST.exists():
            raise


def _is_stale(built: Path, sources: Path) -> bool:
    if not built.exists():
        return True
    return max(path.stat().st_mtime for path in (sources, *sources.rglob("*"))) > built.stat().st_mtime


def _require_local_cluster(command: str) -> None:
    """Raise OpsError for a command of the local stack beside `--cluster FILE`."""
    if _package_of(command) != OPERATOR_PACKAGE and chosen_cluster() != LOCAL_CLUSTER:
        raise OpsError(f"`ic {command}` works on local stacks only: leave out --cluster {chosen_cluster()}")


def _package_of(name: str) -> str:
    folder = str(command_modules()[name].parent)
    return next(package for package in COMMAND_PACKAGES if folder in _folders_of(package))


def _quiet_service_logs() -> None:
    """Quieten the services' code, if the command uses it: whatever loads it later, does that itself."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if "structlog" in sys.modules:
        importlib.import_module("ops.service_logs").quiet_service_logs()


if __name__ == "__main__":
    main()
