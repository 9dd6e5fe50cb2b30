"""Options that several commands share."""

from typing import Annotated

import typer

StackName = Annotated[
    str, typer.Option("--stack", help="Which stack: `dev`, or another with ports of its own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
