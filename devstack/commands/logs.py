"""`ic logs`: show what the processes say, in the order of time."""

import itertools
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer
from rich.text import Text

from devstack import topology
from devstack.supervisor import log_path
from ops import log_lines
from ops.console import console
from ops.errors import OpsError
from ops.log_lines import LOG_LEVELS, LogLine
from ops.options import DEFAULT_STACK, StackName
from ops.printable import printable
from ops.time_options import parse_past_time

POLL_INTERVAL_S: Final = 0.3
DEFAULT_LINES: Final = 40
MAX_TAIL_BYTES: Final = 1024 * 1024
"""The size of the end of each file that is read when only the last lines are wanted."""
COLOURS: Final = (
    "cyan",
    "magenta",
    "green",
    "yellow",
    "blue",
    "bright_cyan",
    "bright_magenta",
    "bright_green",
)
LEVEL_STYLES: Final = {
    "debug": "dim",
    "info": "",
    "warning": "yellow",
    "error": "red",
    "critical": "bold red",
}
MIN_ID_LENGTH: Final = 4


def register(app: typer.Typer) -> None:
    """Add `ic logs`."""
    app.command("logs")(logs)


def logs(
    processes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROCESS]...", help="Names as in `ic status`; without any, all."),
    ] = None,
    *,
    stack: StackName = DEFAULT_STACK,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--lines",
            min=0,
            help="How many of the last ones.",
            show_default=f"{DEFAULT_LINES}; all with --since, --request or --trace",
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help=f"Only lines as grave as this: {', '.join(LOG_LEVELS)}.",
            show_default="info; all of processes that are named",
        ),
    ] = None,
    request: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Only lines of this request (`x-request-id`) or event, and of its trace."
        ),
    ] = "",
    trace: Annotated[str, typer.Option(metavar="ID", help="Only lines of this trace.")] = "",
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME|DURATION", help="Only newer ones: 2027-03-01T09:00Z, or 90s, 30m ago."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, with all fields; for scripts.")
    ] = False,
) -> None:
    """Show the last lines of all processes, or of some, in the order of time.

    `ic logs --level warning --since 10m`, `ic logs --request 6434047e`, `ic logs auth-serve user-serve -f`.
    """
    wanted = _LineFilter(
        level=parse_level(level or ("debug" if processes else "info")),
        ids=tuple(
            _require_id(option, id_) for option, id_ in (("--request", request), ("--trace", trace)) if id_
        ),
        since=parse_past_time(since, datetime.now(UTC)).timestamp() if since else 0.0,
    )
    paths = _find_log_files(topology.find_stack(stack), processes or ())
    screen = _LinePrinter(paths, as_json=as_json)
    followed: dict[Path, TextIO] = {path: path.open(errors="replace") for path in paths} if follow else {}
    for file in followed.values():
        file.seek(0, 2)
    if lines is None:
        lines = None if wanted.is_search or wanted.since else DEFAULT_LINES
    for line in take_last(
        wanted.of(read_log_files(paths, all_of_it=wanted.is_search or bool(wanted.since))), lines
    ):
        screen.show(line)
    try:
        for line in _follow_files(followed):
            if wanted.takes(line):
                screen.show(line)
    except KeyboardInterrupt:
        return


class _LineFilter:
    """The filter of the shown lines. A search for an ID includes the lines of its traces."""

    def __init__(self, *, level: str, ids: tuple[str, ...], since: float) -> None:
        self.since = since
        self._level = level
        self._ids = ids
        self._traces: set[str] = set()

    @property
    def is_search(self) -> bool:
        return bool(self._ids)

    def of(self, found: Iterable[LogLine]) -> Iterator[LogLine]:
        if not self.is_search:
            return (line for line in found if self.takes(line))
        everything = list(found)
        for line in everything:
            self._is_of_the_ids(line)
        return (line for line in everything if self.takes(line))

    def takes(self, line: LogLine) -> bool:
        return line.time >= self.since and line.is_at_least(self._level) and self._is_of_the_ids(line)

    def _is_of_the_ids(self, line: LogLine) -> bool:
        if not self._ids or line.trace_id in self._traces:
            return True
        belongs = all(line.belongs_to(id_) for id_ in self._ids)
        if belongs and line.trace_id:
            self._traces.add(line.trace_id)
        return belongs


class _LinePrinter:
    """Prints lines, each process in a colour of its own."""

    def __init__(self, paths: list[Path], *, as_json: bool) -> None:
        self._width = max(len(path.stem) for path in paths)
        self._colours = dict(zip((path.stem for path in paths), itertools.cycle(COLOURS), strict=False))
        self._as_json = as_json

    def show(self, line: LogLine) -> None:
        if self._as_json:
            print(json.dumps(line_fields(line)))
            return
        shown = Text(f"{format_time_of_day(line.time)} ", style="dim")
        shown += Text(f"{line.level:<8} ", style=LEVEL_STYLES[line.level])
        shown += Text(f"{line.process:<{self._width}} ", style=self._colours.get(line.process, ""))
        shown += Text(printable(line.text))
        for name, value in line.fields.items():
            shown += Text(f" {printable(name)}=", style="dim") + Text(format_value(value))
        console.print(shown, soft_wrap=True)
        for more in line.more:
            console.print(Text(f"    | {printable(more)}", style="dim"), soft_wrap=True)


def parse_level(name: str) -> str:
    """Return the level of this name. Raises OpsError for another."""
    level = name.lower()
    if level not in LOG_LEVELS:
        raise OpsError(f"there is no level '{name}'; --level takes {', '.join(LOG_LEVELS)}")
    return level


def format_value(value: Any) -> str:
    """Return a field's value as text; quoted unless it is one word."""
    if not isinstance(value, str):
        return printable(json.dumps(value, ensure_ascii=False, default=str))
    plain = value and not any(each.isspace() or each in '"=' for each in value)
    return printable(value) if plain else printable(json.dumps(value, ensure_ascii=False))


def line_fields(line: LogLine) -> dict[str, Any]:
    """Return a line as JSON."""
    moment_ = datetime.fromtimestamp(line.time, UTC).isoformat(timespec="milliseconds") if line.time else None
    own = {"time": moment_, "level": line.level, "process": line.process, "event": line.text}
    return {**own, **line.fields, **({"more": line.more} if line.more else {})}


def format_time_of_day(seconds: float) -> str:
    """Return the local time of day, with the date unless it is today."""
    if not seconds:
        return " " * 12
    then = datetime.fromtimestamp(seconds).astimezone()
    day = "" if then.date() == datetime.now().astimezone().date() else f"{then:%Y-%m-%d} "
    return f"{day}{then:%H:%M:%S}.{then.microsecond // 1000:03}"


def take_last(found: Iterable[LogLine], count: int | None) -> Iterable[LogLine]:
    """Return the last lines of this number, or all."""
    return found if count is None else deque(found, maxlen=count)


def read_log_files(paths: Iterable[Path], *, all_of_it: bool) -> Iterator[LogLine]:
    """Return the entries of the files, or the last ones, in the order of time."""
    return log_lines.merge_log_lines(
        log_lines.parse_log_lines(path.stem, _read_raw_lines(path, all_of_it)) for path in paths
    )


def _read_raw_lines(path: Path, all_of_it: bool) -> Iterator[str]:
    with path.open("rb") as file:
        size = path.stat().st_size
        if not all_of_it and size > MAX_TAIL_BYTES:
            file.seek(size - MAX_TAIL_BYTES)
            file.readline()
        for line in file:
            yield line.decode(errors="replace").rstrip("\r\n")


def _require_id(option: str, text: str) -> str:
    if len(text) < MIN_ID_LENGTH:
        raise OpsError(
            f"{option} takes an ID or its beginning, {MIN_ID_LENGTH} characters or more, not '{text}'"
        )
    return text


def _find_log_files(found: topology.Topology, processes: Iterable[str]) -> list[Path]:
    names = sorted(path.stem for path in found.logs_folder.glob("*.log"))
    unknown = [name for name in processes if name not in names]
    if unknown:
        raise OpsError(f"there is no log of '{unknown[0]}'; there are: {', '.join(names)}")
    if not names:
        raise OpsError(f"the stack '{found.name}' has written no logs yet")
    return [log_path(found, name) for name in processes or names]


def _follow_files(files: dict[Path, TextIO]) -> Iterator[LogLine]:
    """Yield new lines as they are written; reopen a file that was rotated away."""
    while files:
        now = time.time()
        fresh = [
            log_lines.parse_log_lines(path.stem, _read_new_lines(path, files), now) for path in list(files)
        ]
        found = False
        for line in log_lines.merge_log_lines(fresh):
            found = True
            yield line
        if not found:
            time.sleep(POLL_INTERVAL_S)


def _read_new_lines(path: Path, files: dict[Path, TextIO]) -> list[str]:
    said = files[path].read()
    if not said and path.exists() and path.stat().st_ino != _inode(files[path]):
        files[path].close()
        files[path] = path.open(errors="replace")
        said = files[path].read()
    return said.split("\n")[:-1] if said.endswith("\n") else said.splitlines()


def _inode(file: TextIO) -> int:
    return Path(f"/proc/self/fd/{file.fileno()}").stat().st_ino
