"""The one console for all output, which fits pipes as well as screens."""

import os
import sys

from rich.console import Console

PIPE_WIDTH = 160

console = Console(
    highlight=False,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH,
)
