"""The processes of the log store: its server, and rsyslog, which follows the processes' log files.

A line is shipped at least once: after a crash rsyslog goes on from its last saved place.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from devstack import binaries
from devstack.probes import probe_http
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.supervisor import log_path
from devstack.toolbox.tools import log_store_binary
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK

LOG_STORE_PROCESS: Final = "log-store"
LOG_SHIPPER_PROCESS: Final = "log-shipper"
MAX_QUEUE_BYTES: Final = 256 * 1024 * 1024
_JSON_STAGES: Final = frozenset({StartStage.CONTROL, StartStage.SERVICES, StartStage.EDGE})
"""The stages whose processes write our JSON lines."""
_HEADER: Final = """\
global(workDirectory="{work}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="mmjsonparse")
module(load="omelasticsearch")

# One index for each ten minutes, so that old lines can be deleted: logs-2030-01-31-123
template(name="index" type="list") {{ constant(value="logs-") property(name="$.part") }}
template(name="line" type="list") {{ property(name="$!all-json-plain") }}

ruleset(name="ship" queue.type="LinkedList" queue.filename="logs" queue.size="20000"
        queue.maxDiskSpace="{queue_bytes}" queue.dequeueBatchSize="500" queue.saveOnShutdown="on") {{
  action(type="mmjsonparse" cookie="" useRawMsg="on")
  if $parsesuccess == "OK" and strlen($!time) > 15 then {{
    set $.part = substring($!time, 0, 10) & "-" & substring($!time, 11, 2) & substring($!time, 14, 1);
    set $!process = $syslogtag;
    action(type="omelasticsearch" server="{host}" serverport="{port}" searchIndex="index" dynSearchIndex="on"
           searchType="" template="line" bulkmode="on" action.resumeRetryCount="-1" action.resumeInterval="2"
           errorFile="{work}/refused-lines.log")
  }}
}}
"""
_INPUT: Final = 'input(type="imfile" file="{file}" tag="{process}" ruleset="ship" readTimeout="2")\n'


def log_store_processes(topology: Topology) -> list[StackProcess]:
    """Return both processes, or none."""
    if not topology.observe:
        return []
    port = topology.observers.logs
    server = (sys.executable, "-m", "devstack.log_store", "--http", str(port))
    pid_file = topology.run_folder / "rsyslogd.pid"
    return [
        StackProcess(
            name=LOG_STORE_PROCESS,
            stage=StartStage.OBSERVERS,
            command=(*server, "--binary", str(log_store_binary())),
            ports={"http": port},
            probe=lambda: probe_http(port, "/_index_template/logs"),
        ),
        StackProcess(
            name=LOG_SHIPPER_PROCESS,
            stage=StartStage.OBSERVERS,
            command=(str(binaries.rsyslogd()), "-n", "-f", str(_shipper_path(topology)), "-i", str(pid_file)),
            ports={},
            probe=lambda: ProbeResult(pid_file.exists(), "" if pid_file.exists() else "not started"),
        ),
    ]


def write_shipper_file(topology: Topology, processes: Iterable[StackProcess]) -> None:
    """Write rsyslog's configuration: it ships the lines of these processes that are our JSON."""
    _work_folder(topology).mkdir(parents=True, exist_ok=True)
    _shipper_path(topology).write_text(shipper_config(topology, processes))


def shipper_config(topology: Topology, processes: Iterable[StackProcess]) -> str:
    """Return rsyslog's configuration."""
    header = _HEADER.format(
        work=_work_folder(topology),
        queue_bytes=MAX_QUEUE_BYTES,
        host=LOOPBACK,
        port=topology.observers.logs,
    )
    followed = (process.name for process in processes if process.stage in _JSON_STAGES)
    return header + "".join(_INPUT.format(file=log_path(topology, name), process=name) for name in followed)


def _shipper_path(topology: Topology) -> Path:
    return topology.etc_folder / "rsyslog.conf"


def _work_folder(topology: Topology) -> Path:
    return topology.data_folder / LOG_SHIPPER_PROCESS
