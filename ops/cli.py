"""The command `ic`.

Every module in `ops.commands` adds the command of its own name by a function `register(app)`: to add
a command, add a module.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import typer
from rich.markup import escape

from ops import commands
from ops.console import console
from ops.errors import OpsError


def make_app(arguments: Sequence[str]) -> typer.Typer:
    """The command line with the command that is asked for; with all for help, or when there is no such one.

    Each command brings libraries of its own: importing those of all others would cost a second or two.
    """
    app = typer.Typer(
        name="ic",
        help="Run, watch and test InternshipConnect on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # With a callback, typer keeps the command's name on the command line even when it is the only one.
    app.callback()(lambda: None)
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name in [asked] if asked in names else names:
        importlib.import_module(f"{commands.__name__}.{name}").register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: an operator's mistake ends in one sentence and exit code 1, never in a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        make_app(given)(given, prog_name="ic")
    except OpsError as error:
        console.print("[bold red]error:[/]", escape(str(error)), soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
