"""The command `ic`.

Every module in `ops.commands` adds the command of its own name by a function `register(app)`: to add
a command, add a module.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import typer

from ops import commands
from ops.console import console
from ops.errors import OpsError

app = typer.Typer(
    name="ic",
    help="Run, watch and test InternshipConnect on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """Run, watch and test InternshipConnect on this machine."""


def register_commands(arguments: Sequence[str]) -> None:
    """Adds the command that is asked for; all of them for help, or when there is no such command.

    Each command brings libraries of its own: importing those of all others would cost a second or two.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name in [asked] if asked in names else names:
        importlib.import_module(f"{commands.__name__}.{name}").register(app)


def main() -> None:
    """Entry point: an operator's mistake ends in one sentence and exit code 1, never in a traceback."""
    register_commands(sys.argv[1:])
    try:
        app()
    except OpsError as error:
        console.print(f"[bold red]error:[/] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
