"""Supervision by supervisord: its configuration, and a typed client of its control socket."""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from devstack.credentials import write_private_file
from devstack.process import StackProcess, StartStage
from devstack.topology import Topology
from ops.errors import OpsError
from ops.paths import GEN, REPO
from ops.waiting import wait_until

MAX_SOCKET_PATH_BYTES = 90
"""AF_UNIX allows 107 bytes, and supervisord first binds a longer name beside the final one."""

MAX_LOG_BYTES = 10 * 1024 * 1024
MAX_LOG_BACKUPS = 3
MAX_START_RETRIES = 20
CRASH_LOOP_RESTARTS = 3
CRASH_LOOP_WINDOW_S = 120.0
ANSWER_TIMEOUT_S = 15.0
STACK_MARKER = "IC_STACK_DIR"
"""A variable of every process of a stack, by which `down` finds those without a supervisor as well."""


@dataclass(frozen=True)
class ProcessState:
    """The supervisor's view of one process; times are Unix seconds."""

    name: str
    group: str
    state: str
    pid: int
    started_at: float
    restarts: int
    recent_restarts: tuple[float, ...]
    message: str

    @property
    def is_running(self) -> bool:
        """Whether it is running, as far as the supervisor knows."""
        return self.state == "RUNNING"

    @property
    def is_crash_looping(self) -> bool:
        """Whether it keeps crashing: given up on, or restarted several times lately."""
        since = time.time() - CRASH_LOOP_WINDOW_S
        recent = sum(moment > since for moment in self.recent_restarts)
        return self.has_given_up or recent >= CRASH_LOOP_RESTARTS

    @property
    def has_given_up(self) -> bool:
        """Whether the supervisor has given up restarting it."""
        return self.state == "FATAL"


def socket_path(topology: Topology) -> Path:
    """Return the control socket: in the stack's folder, or in a short path when that one is too long."""
    path = topology.run_folder / "supervisor.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(topology.root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"ic-{os.getuid()}-{digest}" / "supervisor.sock"


def log_path(topology: Topology, process: str) -> Path:
    """Return the log file of a process's output."""
    return topology.logs_folder / f"{process}.log"


def read_last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log file; none if it does not exist."""
    return path.read_text(errors="replace").splitlines()[-count:] if count and path.exists() else []


def write_supervisor_config(topology: Topology, processes: Iterable[StackProcess]) -> None:
    """Write the supervisor's configuration; only its owner can read it, as it holds secrets."""
    write_private_file(_supervisor_config_path(topology), render_supervisor_config(topology, list(processes)))


def render_supervisor_config(topology: Topology, processes: list[StackProcess]) -> str:
    """Return the configuration: one program for each process, one group or more for each stage."""
    sections = [_daemon_sections(topology)]
    sections += [_program_section(topology, process) for process in processes]
    for stage, group in dict.fromkeys((process.stage, process.supervised_group) for process in processes):
        members = ",".join(process.name for process in processes if process.supervised_group == group)
        order = (list(StartStage).index(stage) + 1) * 100
        sections.append(_section(f"group:{group}", {"programs": members, "priority": order}))
    return "\n".join(sections)


def start_supervisor(topology: Topology) -> None:
    """Start the supervisor in the background and wait until it answers.

    Raises:
        OpsError: it does not; the message holds its output.
    """
    for folder in (topology.logs_folder, topology.run_folder, socket_path(topology).parent):
        folder.mkdir(parents=True, exist_ok=True)
    socket_path(topology).parent.chmod(0o700)
    command = [
        sys.executable,
        "-m",
        "devstack.forking_supervisor",
        "-c",
        str(_supervisor_config_path(topology)),
    ]
    started = subprocess.run(
        command, check=False, capture_output=True, text=True, env=_daemon_environment(topology), cwd=REPO
    )
    if started.returncode != 0:
        raise OpsError(f"the supervisor does not start:\n{(started.stderr or started.stdout).strip()}")
    if not wait_until(SupervisorClient(topology).is_up, timeout_s=ANSWER_TIMEOUT_S, interval_s=0.05):
        raise OpsError(f"the supervisor does not answer; see {log_path(topology, 'supervisord')}")


class SupervisorClient:
    """A client of a stack's supervisor."""

    def __init__(self, topology: Topology) -> None:
        self._socket = socket_path(topology)

    def is_up(self) -> bool:
        """Return whether the supervisor answers."""
        try:
            self._rpc().supervisor.getState()
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def pid(self) -> int:
        """Return the supervisor's own process id."""
        return int(self._rpc().supervisor.getPID())

    def states(self) -> dict[str, ProcessState]:
        """Return every process by name; none when the supervisor is down."""
        try:
            rpc = self._rpc()
            restarts: Mapping[str, Any] = rpc.ic.restarts()
            return {
                found["name"]: _process_state(found, restarts) for found in rpc.supervisor.getAllProcessInfo()
            }
        except OSError:
            return {}

    def start(self, supervised_name: str, *, wait: bool = False) -> None:
        """Start a process; leave a running one alone."""
        self._tolerating(Faults.ALREADY_STARTED, "startProcess", supervised_name, wait)

    def stop(self, supervised_name: str, *, wait: bool = True) -> None:
        """Stop a process; leave a stopped one alone."""
        self._tolerating(Faults.NOT_RUNNING, "stopProcess", supervised_name, wait)

    def kill(self, supervised_names: Sequence[str]) -> None:
        """Kill these processes by SIGKILL, all at once; they stay down until they are started."""
        self._rpc().ic_kills.kill(list(supervised_names))

    def signal(self, supervised_name: str, signal_name: str) -> None:
        """Send a signal to a running process; one that dies of it is restarted."""
        self._rpc().supervisor.signalProcess(supervised_name, signal_name)

    def apply_config(self) -> list[str]:
        """Reload the configuration file; return the changed groups, which are stopped now."""
        rpc = self._rpc().supervisor
        [[added, changed, removed]] = rpc.reloadConfig()
        for group in [*changed, *removed]:
            rpc.stopProcessGroup(group)
            rpc.removeProcessGroup(group)
        for group in [*changed, *added]:
            rpc.addProcessGroup(group)
        return [*changed, *added]

    def add_groups(self) -> None:
        """Add the groups that are new in the configuration file, and leave all others running."""
        rpc = self._rpc().supervisor
        [[added, _changed, _removed]] = rpc.reloadConfig()
        for group in added:
            rpc.addProcessGroup(group)

    def shutdown(self) -> None:
        """Stop all processes, the last stage first, then the supervisor; do not wait for that."""
        self._rpc().supervisor.shutdown()

    def _tolerating(self, fault_code: int, method: str, *arguments: object) -> None:
        try:
            getattr(self._rpc().supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != fault_code:
                raise OpsError(
                    f"the supervisor refuses {method} {arguments[0]}: {fault.faultString}"
                ) from fault

    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport)


def _process_state(found: Mapping[str, Any], restarts: Mapping[str, Any]) -> ProcessState:
    counted = restarts.get(found["name"], {"count": 0, "recent": []})
    return ProcessState(
        name=found["name"],
        group=found["group"],
        state=found["statename"],
        pid=found["pid"],
        started_at=float(found["start"]),
        restarts=counted["count"],
        recent_restarts=tuple(counted["recent"]),
        message=found["spawnerr"] or "",
    )


def _daemon_sections(topology: Topology) -> str:
    daemon = {
        "logfile": log_path(topology, "supervisord"),
        "logfile_maxbytes": MAX_LOG_BYTES,
        "logfile_backups": MAX_LOG_BACKUPS,
        "pidfile": topology.run_folder / "supervisord.pid",
        "childlogdir": topology.logs_folder,
        "directory": REPO,
        "identifier": f"ic-{topology.name}",
        "minfds": 4096,
    }
    return "\n".join(
        [
            _section("supervisord", daemon),
            _section("unix_http_server", {"file": socket_path(topology), "chmod": "0600"}),
            _section(
                "rpcinterface:supervisor",
                {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
            ),
            _section(
                "rpcinterface:ic",
                {"supervisor.rpcinterface_factory": "devstack.supervisor_restarts:make_rpc_interface"},
            ),
            _section(
                "rpcinterface:ic_kills",
                {"supervisor.rpcinterface_factory": "devstack.supervisor_kill:make_rpc_interface"},
            ),
        ]
    )


def _program_section(topology: Topology, process: StackProcess) -> str:
    settings = {
        "command": " ".join(_quote_value(word) for word in process.command),
        "directory": REPO,
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 1,
        "startretries": MAX_START_RETRIES,
        "stopwaitsecs": process.stop_wait_s,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log_path(topology, process.name),
        "stdout_logfile_maxbytes": MAX_LOG_BYTES,
        "stdout_logfile_backups": MAX_LOG_BACKUPS,
    }
    if process.environment:
        settings["environment"] = ",".join(
            f"{name}={_quote_value(value)}" for name, value in process.environment.items()
        )
    return _section(f"program:{process.name}", settings)


def _section(name: str, settings: Mapping[str, object]) -> str:
    lines = (f"{key} = {_escape_percent(str(value))}" for key, value in settings.items())
    return "\n".join([f"[{name}]", *lines, ""])


def _escape_percent(value: str) -> str:
    return value.replace("%", "%%")


def _quote_value(value: str) -> str:
    """Return a value in quotes for supervisord's parser, which has no escapes but two kinds of quotes."""
    quote = "'" if '"' in value else '"'
    if quote in value or "\n" in value:
        raise OpsError("a value for a process holds both kinds of quotes or a line break")
    return f"{quote}{value}{quote}"


def _daemon_environment(topology: Topology) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(REPO), str(GEN), os.environ.get("PYTHONPATH"))))
    # Some machines set this for all Pythons: then each start would compile every library.
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", STACK_MARKER: str(topology.root)}


def _supervisor_config_path(topology: Topology) -> Path:
    return topology.etc_folder / "supervisord.conf"


def require_running(topology: Topology) -> None:
    """Raise OpsError unless the stack's supervisor answers."""
    if not SupervisorClient(topology).is_up():
        raise OpsError(
            f"the stack '{topology.name}' is not running; start it with: ic up --stack {topology.name}"
        )
