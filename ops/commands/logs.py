"""`ic logs`: what the processes say."""

import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.text import Text

from ops.console import console
from ops.errors import OpsError
from ops.options import StackName
from ops.stack import topology
from ops.stack.supervisor import last_lines, log_path
from ops.stack.topology import DEFAULT_STACK

POLL_S = 0.3
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


def register(app: typer.Typer) -> None:
    """Adds `ic logs`."""
    app.command("logs")(logs)


def logs(
    process: Annotated[str | None, typer.Argument(help="A name as in `ic status`; without it, all.")] = None,
    stack: StackName = DEFAULT_STACK,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines of each.")] = 20,
) -> None:
    """Show the last lines of each process, or of one."""
    paths = _log_files(topology.find(stack), process)
    width = max(len(path.stem) for path in paths)
    colours = dict(zip(paths, itertools.cycle(COLOURS), strict=False))
    followed: dict[Path, TextIO] = {path: path.open(errors="replace") for path in paths} if follow else {}
    for file in followed.values():
        file.seek(0, 2)
    for path in paths:
        for line in last_lines(path, lines):
            _print(path, line, width, colours[path])
    try:
        for path, line in _follow(followed):
            _print(path, line, width, colours[path])
    except KeyboardInterrupt:
        return


def _log_files(found: topology.Topology, process: str | None) -> list[Path]:
    if process:
        path = log_path(found, process)
        if not path.exists():
            raise OpsError(f"there is no log of '{process}'; there are: {', '.join(_names(found))}")
        return [path]
    paths = [log_path(found, name) for name in _names(found)]
    if not paths:
        raise OpsError(f"the stack '{found.name}' has written no logs yet")
    return paths


def _names(found: topology.Topology) -> list[str]:
    return sorted(path.stem for path in found.logs.glob("*.log"))


def _follow(files: dict[Path, TextIO]) -> Iterator[tuple[Path, str]]:
    """New lines as they are written; a file that was rotated away is opened anew."""
    while files:
        quiet = True
        for path in list(files):
            for line in _new_lines(path, files):
                quiet = False
                yield path, line
        if quiet:
            time.sleep(POLL_S)


def _new_lines(path: Path, files: dict[Path, TextIO]) -> Iterable[str]:
    read = files[path].read()
    if (
        not read
        and path.exists()
        and path.stat().st_ino != Path(f"/proc/self/fd/{files[path].fileno()}").stat().st_ino
    ):
        files[path].close()
        files[path] = path.open(errors="replace")
        read = files[path].read()
    return read.splitlines()


def _print(path: Path, line: str, width: int, colour: str) -> None:
    console.print(Text(f"{path.stem:<{width}} ", style=colour) + Text(line), soft_wrap=True)
