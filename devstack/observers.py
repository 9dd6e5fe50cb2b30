"""What observes a stack that was started with `--observe`: Prometheus, Alertmanager, trace and log store.

Prometheus and Alertmanager obey the rules and the routes that other clusters have (`ops/`), with the stack's
own addresses: mails go to its mailbox, and calls to PagerDuty and Slack only where the environment names an
address for them.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from devstack import binaries
from devstack.credentials import write_private_file
from devstack.log_store.processes import LOG_STORE_PROCESS, log_store_processes, write_shipper_file
from devstack.probes import probe_http
from devstack.process import StackProcess, StartStage
from devstack.supervisor import SupervisorClient
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from ops.alerts import ALERT_RULES_FILE
from ops.paths import REPO
from ops.slo.files import SLO_RULES_FILE

PROMETHEUS_PROCESS: Final = "prometheus"
ALERTMANAGER_PROCESS: Final = "alertmanager"
TRACES_PROCESS: Final = "traces"
PAGERDUTY_VARIABLE: Final = "IC_PAGERDUTY_URL"
SLACK_VARIABLE: Final = "IC_SLACK_URL"
ALERTMANAGER_FILE: Final = REPO / "ops" / "alertmanager.yaml"

RULES_FILES: Final = (ALERT_RULES_FILE, SLO_RULES_FILE, REPO / "ops" / "common_metrics.yaml")
SCRAPE_INTERVAL: Final = "5s"
RETENTION: Final = "35d"
_GROUP_TIMES: Final = {"group_wait": "10s", "group_interval": "10s"}
"""Nobody waits for minutes to see an alert of a local stack."""
_LOCAL_PAGERDUTY_KEY: Final = "0" * 32
"""For a receiver on this machine, which asks for none."""


def observer_processes(topology: Topology) -> list[StackProcess]:
    """Return the processes, or none."""
    if not topology.observe:
        return []
    ports = topology.observers
    return [
        *log_store_processes(topology),
        _trace_store_process(topology),
        _observer_process(
            ALERTMANAGER_PROCESS,
            ports.alertmanager,
            str(binaries.alertmanager()),
            f"--config.file={_alertmanager_path(topology)}",
            f"--storage.path={topology.data_folder / ALERTMANAGER_PROCESS}",
            # One alone needs no address for others.
            "--cluster.listen-address=",
            f"--web.external-url=http://{LOOPBACK}:{ports.alertmanager}",
        ),
        _observer_process(
            PROMETHEUS_PROCESS,
            ports.prometheus,
            str(binaries.prometheus()),
            f"--config.file={_prometheus_path(topology)}",
            f"--storage.tsdb.path={topology.data_folder / PROMETHEUS_PROCESS}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.external-url=http://{LOOPBACK}:{ports.prometheus}",
        ),
    ]


def observer_urls(topology: Topology) -> dict[str, str]:
    """Return the addresses of those with an HTTP API, by name."""
    ports = topology.observers
    named = {
        PROMETHEUS_PROCESS: ports.prometheus,
        ALERTMANAGER_PROCESS: ports.alertmanager,
        TRACES_PROCESS: ports.traces,
        LOG_STORE_PROCESS: ports.logs,
    }
    return {name: f"http://{LOOPBACK}:{port}" for name, port in named.items()}


def write_observer_files(topology: Topology, processes: Iterable[StackProcess]) -> None:
    """Write the configuration of those that watch these processes, if the stack has them."""
    if not topology.observe:
        return
    write_shipper_file(topology, processes)
    _prometheus_path(topology).write_text(yaml.safe_dump(prometheus_config(topology), sort_keys=False))
    keys = {"pagerduty-key": _LOCAL_PAGERDUTY_KEY, "slack-url": os.environ.get(SLACK_VARIABLE, "")}
    for name, key in keys.items():
        write_private_file(topology.secrets_folder / name, key)
    config = alertmanager_config(topology, os.environ)
    _alertmanager_path(topology).write_text(yaml.safe_dump(config, sort_keys=False))


def reload_observers(processes: Iterable[StackProcess], client: SupervisorClient) -> None:
    """Have Prometheus and Alertmanager, where they run, read their configuration again."""
    states = client.states()
    for process in (each for each in processes if each.name in {PROMETHEUS_PROCESS, ALERTMANAGER_PROCESS}):
        if process.name in states and states[process.name].is_running:
            client.signal(process.supervised_name, "HUP")


def prometheus_config(topology: Topology) -> dict[str, Any]:
    """Return the configuration: each process of the stack as a target, with the labels `job` and `process`.

    `job` is the name of the component, as in the chart; `process` tells its replicas apart.
    """
    jobs: dict[str, dict[str, Any]] = {}
    for job, process, port, path in list_targets(topology):
        found = jobs.setdefault(job, {"job_name": job, "metrics_path": path, "static_configs": []})
        found["static_configs"].append({"targets": [f"{LOOPBACK}:{port}"], "labels": {"process": process}})
    manager = {"static_configs": [{"targets": [f"{LOOPBACK}:{topology.observers.alertmanager}"]}]}
    return {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
        "rule_files": [str(path) for path in RULES_FILES],
        "alerting": {"alertmanagers": [manager]},
        "scrape_configs": list(jobs.values()),
    }


def list_targets(topology: Topology) -> Iterator[tuple[str, str, int, str]]:
    """Yield job, process, port and path of everything that exports metrics."""
    for region in topology.regions:
        for service, ports in region.services.items():
            for role, port in (("serve", ports.serve_ops), ("work", ports.work_ops)):
                yield f"{service}-{role}", region.process_name(f"{service}-{role}"), port, "/metrics"
        yield "gateway", region.process_name("envoy"), region.gateway_admin, "/stats/prometheus"
    yield "control-plane", "control-plane", topology.control_plane.ops, "/metrics"
    yield "rate-limiter", "rate-limiter", topology.rate_limiter.ops, "/metrics"
    yield "rabbit", "rabbit", topology.observers.rabbit, "/metrics"
    yield PROMETHEUS_PROCESS, PROMETHEUS_PROCESS, topology.observers.prometheus, "/metrics"
    yield ALERTMANAGER_PROCESS, ALERTMANAGER_PROCESS, topology.observers.alertmanager, "/metrics"
    if topology.faults:
        yield "fault-proxy", "fault-proxy", topology.fault_proxy_ops, "/metrics"


def alertmanager_config(topology: Topology, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the routes of `ops/alertmanager.yaml` with receivers on this machine."""
    config: dict[str, Any] = yaml.safe_load(ALERTMANAGER_FILE.read_text())
    pagerduty, slack = environment.get(PAGERDUTY_VARIABLE), environment.get(SLACK_VARIABLE)
    config["global"] = {
        "smtp_from": config["global"]["smtp_from"],
        "smtp_smarthost": f"{LOOPBACK}:{topology.mailbox.smtp}",
        "smtp_require_tls": False,
        "resolve_timeout": config["global"]["resolve_timeout"],
        **({"pagerduty_url": pagerduty} if pagerduty else {}),
        **({"slack_api_url_file": str(topology.secrets_folder / "slack-url")} if slack else {}),
    }
    mails = next(each["email_configs"] for each in config["receivers"] if "email_configs" in each)
    for receiver in config["receivers"]:
        if not pagerduty:
            receiver.pop("pagerduty_configs", None)
        if not slack:
            receiver.pop("slack_configs", None)
        for call in receiver.get("pagerduty_configs", ()):
            call["routing_key_file"] = str(topology.secrets_folder / "pagerduty-key")
        # A page, too, can be seen in the mailbox.
        receiver["email_configs"] = mails
    for route in (config["route"], *config["route"]["routes"]):
        route.update(_GROUP_TIMES)
    return config


def _trace_store_process(topology: Topology) -> StackProcess:
    otlp, http = topology.observers.otlp, topology.observers.traces
    ports = ("--otlp", str(otlp), "--http", str(http))
    folder = topology.data_folder / TRACES_PROCESS
    return StackProcess(
        name=TRACES_PROCESS,
        # Before those that export to it.
        stage=StartStage.CONTROL,
        command=(sys.executable, "-m", "devstack.traces", *ports, "--data", str(folder)),
        ports={"otlp": otlp, "http": http},
        probe=lambda: probe_http(http, "/health"),
    )


def _observer_process(name: str, port: int, *command: str) -> StackProcess:
    return StackProcess(
        name=name,
        stage=StartStage.OBSERVERS,
        command=(*command, f"--web.listen-address={LOOPBACK}:{port}", "--log.format=json"),
        ports={"http": port},
        probe=lambda: probe_http(port, "/-/ready"),
    )


def _prometheus_path(topology: Topology) -> Path:
    return topology.etc_folder / "prometheus.yaml"


def _alertmanager_path(topology: Topology) -> Path:
    return topology.etc_folder / "alertmanager.yaml"
