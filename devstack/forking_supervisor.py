"""supervisord for a stack: it forks the stack's own Python processes from itself instead of executing Python.

The supervisor imports the code of all of them once, before it forks the first one. Each process then shares
these pages with all others and starts without importing anything; apart from that it is a process like any
other: its pid, environment, output, signals and restarts are those of supervisord. In a cluster a process
is a pod that runs `python -m services.<name>`.

A program is executed as usual when its code, or an installed library, is not what was imported: so a restart
runs the code as it is now.
"""

import gc
import importlib
import os
import runpy
import shlex
import signal
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from ops.paths import REPO
from ops.service_names import SERVICES

FORKED_PROGRAMS: Final = (
    *(f"services.{service}" for service in SERVICES),
    "gateway.control_plane",
    "gateway.ratelimit",
    "devstack.mailbox",
)
"""What `python -m` runs in these processes."""

_LATE_MODULES: Final = (
    "chassis.roles.serve",
    "chassis.roles.work",
    "chassis.grpc.engine.native_engine",
    "chassis.grpc.engine.grpcio_engine",
    "pymongo.asynchronous.auth",
    "pymongo.asynchronous.auth_aws",
    "pymongo.asynchronous.auth_oidc",
    "pymongo.saslprep",
    "kombu.transport.pyamqp",
)
"""Modules that these programs import only when they run."""

INSTALLED_LIBRARIES: Final = REPO / ".venv" / ".installed"
MAX_COMM_BYTES: Final = 15
"""The kernel's bound on the name of a process."""
_PROCESS_NAME: Final = "SUPERVISOR_PROCESS_NAME"


class ForkableCode:
    """The code of the programs to fork, and the table of places: loaded before the first fork.

    No thread, event loop, connection or client is made here: none would survive a fork.
    """

    def __init__(self, programs: Iterable[str] = FORKED_PROGRAMS) -> None:
        self._programs = tuple(programs)
        self._imported: Mapping[Path, int] | None = None
        self.is_usable = False

    def program_of(self, command: Sequence[str]) -> str | None:
        """Return the module that a command runs, if it is one to fork: `python -m <module> ...`."""
        if len(command) < 3 or command[:2] != [sys.executable, "-m"] or command[2] not in self._programs:
            return None
        return command[2]

    def prepare(self) -> None:
        """Import the code unless that is done; afterwards `is_usable` says whether it is still the same."""
        if self._imported is None:
            self._import_all()
        self.is_usable = bool(self._imported) and _has_same_files(self._imported or {})

    def _import_all(self) -> None:
        """Import everything and exempt it from garbage collection, which would copy each page that it marks.

        Code that cannot be imported is executed as usual, and fails there with its own message.
        """
        gc.disable()
        try:
            for program in self._programs:
                importlib.import_module(f"{program}.__main__")
                # The child runs it, and would be warned of one that is imported as well.
                del sys.modules[f"{program}.__main__"]
            for name in _LATE_MODULES:
                importlib.import_module(name)
            importlib.import_module("chassis.search.gazetteer").shared_gazetteer()
        except Exception:
            traceback.print_exc()
            self._imported = {}
            return
        finally:
            gc.collect()
            gc.freeze()
            gc.enable()
        self._imported = _modification_times()


class ForkingOptions(ServerOptions):  # type: ignore[misc]
    """supervisord's options, whose system calls run a program in the forked child itself where that works."""

    def __init__(self, code: ForkableCode) -> None:
        super().__init__()
        self._code = code

    def openhttpservers(self, supervisord: Any) -> None:
        """Open the control socket; before, as `supervisord` has cleared all subscriptions, subscribe."""
        events.subscribe(events.ProcessStateStartingEvent, self._prepare_start)
        super().openhttpservers(supervisord)

    def _prepare_start(self, event: Any) -> None:
        """Import the code before the process is forked: what the child imports is not shared."""
        if self._code.program_of(shlex.split(event.process.config.command)):
            self._code.prepare()

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """Become the program: in a forked child only, whose files supervisord has set up."""
        program = self._code.program_of([filename, *argv[1:]])
        if program is None or not self._code.is_usable:
            super().execve(filename, argv, env)
        else:
            run_program(program, argv[3:], env)


def run_program(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run `python -m program` in this process, which was forked a moment ago, and end the process with it."""
    _forget_the_parent(environment)
    _forget_metrics_of_others(program)
    sys.argv = [program, *arguments]
    status = 1
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = _exit_status(ended)
    except BaseException:
        traceback.print_exc()
    finally:
        _flush_output()
        # Not `sys.exit`: what follows the fork in the supervisor's code must not run here.
        os._exit(status)


def _forget_metrics_of_others(program: str) -> None:
    """Export no metrics of the other programs, whose code is imported here as well."""
    for name, module in list(sys.modules.items()):
        owner, _, table = name.rpartition(".")
        if table == "metrics" and owner.startswith(("gateway.", "services.")) and owner != program:
            for collector in vars(module).values():
                if isinstance(collector, MetricWrapperBase):
                    with suppress(KeyError):
                        REGISTRY.unregister(collector)


def _forget_the_parent(environment: Mapping[str, str]) -> None:
    """Make the process as fresh as an executed one: environment, signals, output, name."""
    os.environ.clear()
    os.environ.update(environment)
    signal.set_wakeup_fd(-1)
    for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(each)):
            signal.signal(each, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    Path("/proc/self/comm").write_bytes(environment.get(_PROCESS_NAME, "").encode()[:MAX_COMM_BYTES])


def _exit_status(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _modification_times() -> dict[Path, int]:
    """Return the time of change of each imported file of this checkout, and that of the installation."""
    files = {
        Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))
    }
    own = {file for file in files if file.is_relative_to(REPO) and ".venv" not in file.parts}
    return {file: file.stat().st_mtime_ns for file in (*own, INSTALLED_LIBRARIES) if file.exists()}


def _has_same_files(known: Mapping[Path, int]) -> bool:
    try:
        return all(file.stat().st_mtime_ns == changed for file, changed in known.items())
    except FileNotFoundError:
        return False


def main() -> None:
    """Run supervisord with the options of the command line, as `supervisord` does, until it is shut down."""
    options = ForkingOptions(ForkableCode())
    options.realize(doc=__doc__)
    options.first = True
    options.test = False
    with suppress(asyncore.ExitNow):
        Supervisor(options).main()


if __name__ == "__main__":
    main()
