"""Prometheus and Alertmanager of a stack: they watch all of it, by the rules that other clusters have."""

from pathlib import Path

import pytest
import yaml

from devstack import observers, topology
from devstack.local_cluster import LocalCluster
from devstack.stack import Stack
from devstack.topology import Topology
from ops.alerts import ALERT_RULES_FILE
from ops.errors import OpsError
from ops.paths import REPO
from ops.slo.files import SLO_RULES_FILE
from tests.unit.ops.promtool import needs_prometheus_tools, run_tool

COMMON_METRICS_FILE = REPO / "ops" / "common_metrics.yaml"


@pytest.fixture
def observed(state_dir: Path) -> Topology:
    return topology.find_or_create_stack("seen", regions=2, faults=True, observe=True)


def test_a_stack_is_observed_until_it_is_switched(stack: Topology) -> None:
    assert not stack.observe
    switched = topology.find_or_create_stack("unit", observe=True)
    assert topology.find_or_create_stack("unit") == switched == topology.find_stack("unit")
    assert set(switched.ports()) > set(stack.ports())
    assert topology.find_or_create_stack("unit", observe=False) == stack


@pytest.mark.parametrize("name", ["dev", "other"])
def test_no_two_ports_of_an_observed_stack_are_the_same(state_dir: Path, name: str) -> None:
    found = topology.find_or_create_stack(name, shards=8, members=3, regions=2, faults=True, observe=True)
    ports = list(found.ports())
    assert len(ports) == len(set(ports))


def test_only_an_observed_stack_runs_the_observers(stack: Topology, observed: Topology) -> None:
    def names(of: Topology) -> set[str]:
        return {process.name for process in Stack.assemble(of).processes}

    assert names(observed) >= {"prometheus", "alertmanager"}
    assert not names(stack) & {"prometheus", "alertmanager"}
    assert not {each.name for each in Stack.assemble(observed, stores_only=True).processes} & {"prometheus"}


def test_every_process_with_an_ops_port_is_scraped_there(observed: Topology) -> None:
    scraped = {process: port for _, process, port, _ in observers.list_targets(observed)}
    for process in Stack.assemble(observed).processes:
        if "ops" in process.ports:
            assert scraped[process.name] == process.ports["ops"], process.name
    assert scraped["envoy-2"] == observed.regions[1].gateway_admin
    assert scraped["rabbit"] == observed.observers.rabbit


def test_the_observers_listen_on_this_machine_only(observed: Topology) -> None:
    for process in Stack.assemble(observed).processes:
        if process.name in ("prometheus", "alertmanager"):
            assert f"--web.listen-address=127.0.0.1:{process.ports['http']}" in process.command
    alertmanager = Stack.assemble(observed).find_process("alertmanager")
    assert "--cluster.listen-address=" in alertmanager.command


def test_the_rules_are_those_of_every_cluster(observed: Topology) -> None:
    files = observers.prometheus_config(observed)["rule_files"]
    assert files == [str(ALERT_RULES_FILE), str(SLO_RULES_FILE), str(COMMON_METRICS_FILE)]


@needs_prometheus_tools
def test_prometheus_reads_its_configuration(observed: Topology, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(observers.prometheus_config(observed)))
    code, output = run_tool("promtool", "check", "config", str(path))
    assert code == 0, output


@needs_prometheus_tools
@pytest.mark.parametrize(
    "environment", [{}, {"IC_PAGERDUTY_URL": "http://127.0.0.1:9/", "IC_SLACK_URL": "x"}]
)
def test_alertmanager_reads_its_configuration(
    observed: Topology, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(observers.alertmanager_config(observed, environment)))
    code, output = run_tool("amtool", "check-config", str(path))
    assert code == 0, output


def test_mails_go_to_the_mailbox_and_calls_only_where_an_address_is_named(observed: Topology) -> None:
    silent = observers.alertmanager_config(observed, {})
    calling = observers.alertmanager_config(observed, {"IC_PAGERDUTY_URL": "http://127.0.0.1:9/"})

    assert silent["global"]["smtp_smarthost"] == f"127.0.0.1:{observed.mailbox.smtp}"
    assert all(set(each) == {"name", "email_configs"} for each in silent["receivers"])
    assert [each["name"] for each in calling["receivers"] if "pagerduty_configs" in each] == ["page"]
    assert silent["inhibit_rules"] == yaml.safe_load(observers.ALERTMANAGER_FILE.read_text())["inhibit_rules"]


def test_a_stack_without_prometheus_says_how_to_get_one(stack: Topology) -> None:
    with pytest.raises(OpsError, match=r"has no Prometheus.*ic up --observe --stack unit"):
        _ = LocalCluster.load(stack).prometheus_url
    seen = topology.find_or_create_stack("unit", observe=True)
    assert LocalCluster.load(seen).prometheus_url == f"http://127.0.0.1:{seen.observers.prometheus}"
