"""The command `ic`.

Every module in `ops.commands` adds its commands by a function `register(app)`: to add a command,
add a module.
"""

import importlib
import pkgutil
import sys

import typer

from ops import commands
from ops.console import console
from ops.errors import OpsError

app = typer.Typer(
    name="ic",
    help="Run, watch and test InternshipConnect on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """Run, watch and test InternshipConnect on this machine."""


def register_commands() -> None:
    """Lets each module in `ops.commands` add what it has, in alphabetical order."""
    for module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda found: found.name):
        importlib.import_module(f"{commands.__name__}.{module.name}").register(app)


def main() -> None:
    """Entry point: an operator's mistake ends in one sentence and exit code 1, never in a traceback."""
    register_commands()
    try:
        app()
    except OpsError as error:
        console.print(f"[bold red]error:[/] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
