"""Ports and names of stacks."""

import json
import socket
from pathlib import Path

import pytest

from devstack import topology
from devstack.credentials import Credentials
from devstack.services import service_environment
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from ops.errors import OpsError


def test_the_developers_stack_has_the_documented_ports(state_dir: Path) -> None:
    dev = topology.find_or_create_stack("dev", shards=2, members=3)

    assert (dev.gateway, dev.gateway_admin) == (8080, 9901)
    assert [service.grpc for service in dev.services.values()] == [5001, 5002, 5003, 5004, 5005, 5006]
    assert dev.services["analytics"].serve_ops == 6006
    assert dev.services["analytics"].work_ops == 6106
    assert [shard.ports for shard in dev.shards] == [(27101, 27102, 27103), (27111, 27112, 27113)]
    assert [node.port for node in dev.redis] == [7101, 7102, 7103]
    assert (dev.rabbit.amqp, dev.mailbox.smtp, dev.mailbox.http) == (5682, 1025, 8025)


def test_the_developers_second_region_has_the_documented_ports(state_dir: Path) -> None:
    first, second = topology.find_or_create_stack("dev", regions=2).regions

    assert (first.name, first.gateway, first.gateway_admin) == ("region-1", 8080, 9901)
    assert (second.name, second.gateway, second.gateway_admin) == ("region-2", 8081, 9902)
    assert [service.grpc for service in first.services.values()] == [5001, 5002, 5003, 5004, 5005, 5006]
    assert [service.grpc for service in second.services.values()] == [5021, 5022, 5023, 5024, 5025, 5026]
    assert (second.services["auth"].serve_ops, second.services["auth"].work_ops) == (6021, 6121)


def test_the_processes_of_the_first_region_are_called_as_where_there_is_one(state_dir: Path) -> None:
    first, second = topology.find_or_create_stack("wide", regions=2).regions

    assert (first.process_name("envoy"), second.process_name("envoy")) == ("envoy", "envoy-2")


@pytest.mark.parametrize("name", ["dev", "other"])
def test_a_stack_recorded_before_there_were_regions_is_one_region(state_dir: Path, name: str) -> None:
    made = topology.find_or_create_stack(name)
    recorded = json.loads(made.path.read_text())
    [region] = recorded.pop("regions")
    recorded |= {part: region[part] for part in ("gateway", "gateway_admin", "services")}
    del recorded["rate_limiter"]
    made.path.write_text(json.dumps(recorded))

    assert topology.find_stack(name) == made


@pytest.mark.parametrize("name", ["dev", "other"])
def test_a_stack_recorded_before_there_was_a_control_plane_gets_ports_for_it(
    state_dir: Path, name: str
) -> None:
    made = topology.find_or_create_stack(name)
    recorded = json.loads(made.path.read_text())
    del recorded["control_plane"]
    made.path.write_text(json.dumps(recorded))

    assert topology.find_stack(name) == made


def test_no_two_ports_of_a_stack_are_the_same(state_dir: Path) -> None:
    for name in ("dev", "other"):
        ports = list(topology.find_or_create_stack(name, shards=8, members=3, regions=2).ports())
        assert len(ports) == len(set(ports))


def test_no_two_ports_of_a_stack_with_faults_are_the_same(state_dir: Path) -> None:
    for name in ("dev", "other"):
        ports = list(topology.find_or_create_stack(name, shards=8, members=3, regions=2, faults=True).ports())
        assert len(ports) == len(set(ports))


def test_no_two_ports_of_a_redundant_stack_are_the_same(state_dir: Path) -> None:
    for name in ("dev", "other"):
        redundant = topology.find_or_create_stack(name, shards=8, regions=2, redundant=True)
        ports = list(redundant.ports())
        assert len(ports) == len(set(ports))


def test_a_redundant_stack_has_three_of_each_store_and_keeps_them(state_dir: Path) -> None:
    made = topology.find_or_create_stack("dev", redundant=True)

    assert {len(shard.ports) for shard in made.shards} == {3}
    assert [node.port for node in made.redis] == [7101, 7102, 7103, 7104, 7105, 7106]
    assert [broker.amqp for broker in made.brokers] == [5682, 5683, 5684]
    assert topology.find_or_create_stack("dev") == made == topology.find_stack("dev")
    assert topology.find_or_create_stack("dev", redundant=True) == made


def test_a_stack_that_was_made_with_single_stores_cannot_have_more_later(state_dir: Path) -> None:
    topology.find_or_create_stack("trio", members=3)

    with pytest.raises(OpsError, match=r"without --redundant.*ic down --stack trio --wipe"):
        topology.find_or_create_stack("trio", redundant=True)


def test_options_that_contradict_redundancy_are_named(state_dir: Path) -> None:
    with pytest.raises(OpsError, match="gives each shard 3 members: leave out --members 1"):
        topology.find_or_create_stack("new", members=1, redundant=True)
    with pytest.raises(OpsError, match="leave out --redundant or --faults"):
        topology.find_or_create_stack("new", faults=True, redundant=True)


def test_services_of_a_redundant_stack_know_all_brokers_and_redis_nodes(state_dir: Path) -> None:
    made = topology.find_or_create_stack("dev", redundant=True)
    environment = service_environment(made, Credentials.load_or_create(made), "auth", "work")

    urls = environment["IC_AMQP_URL"].split(";")
    assert [url.rpartition("@")[2] for url in urls] == [
        f"{LOOPBACK}:{port}/ic" for port in (5682, 5683, 5684)
    ]
    assert len(environment["IC_REDIS_NODES"].split(",")) == 6


def test_with_faults_clients_find_the_stores_at_the_same_ports(state_dir: Path) -> None:
    plain = topology.find_or_create_stack("dev", members=3)
    plain.path.unlink()
    disturbed = topology.find_or_create_stack("dev", members=3, faults=True)

    assert list(disturbed.store_ports()) == list(plain.store_ports())
    assert (disturbed.shards, disturbed.redis, disturbed.rabbit) == (plain.shards, plain.redis, plain.rabbit)
    assert set(disturbed.ports()) > set(plain.ports())


def test_a_stack_that_was_made_without_faults_cannot_have_them_later(stack: Topology) -> None:
    with pytest.raises(OpsError, match=r"without --faults.*ic down --stack unit --wipe"):
        topology.find_or_create_stack("unit", faults=True)


def test_a_stack_with_faults_keeps_them_when_nobody_asks(state_dir: Path) -> None:
    made = topology.find_or_create_stack("disturbed", faults=True)
    assert topology.find_or_create_stack("disturbed") == made


def test_stacks_of_one_checkout_never_share_a_port(state_dir: Path) -> None:
    first, second = topology.find_or_create_stack("first"), topology.find_or_create_stack("second")

    assert not set(first.ports()) & set(second.ports())


def test_a_new_stack_avoids_a_port_that_somebody_holds(state_dir: Path) -> None:
    wanted = topology.find_or_create_stack("wanted")
    wanted.path.unlink()
    with socket.socket() as holder:
        holder.bind((LOOPBACK, wanted.mailbox.http))
        holder.listen()

        assert topology.find_or_create_stack("wanted").gateway != wanted.gateway


def test_a_stack_is_found_again_as_it_was_recorded(stack: Topology) -> None:
    assert topology.find_stack("unit") == stack
    assert topology.find_or_create_stack("unit", shards=2, members=1) == stack


def test_another_number_of_members_is_refused_with_the_way_out(stack: Topology) -> None:
    with pytest.raises(OpsError, match=r"--members 1.*ic down --stack unit --wipe"):
        topology.find_or_create_stack("unit", members=3)


def test_another_number_of_regions_is_refused_with_the_way_out(stack: Topology) -> None:
    with pytest.raises(OpsError, match=r"--regions 1.*ic down --stack unit --wipe"):
        topology.find_or_create_stack("unit", regions=2)


def test_a_region_that_is_not_there_is_answered_with_those_that_are(state_dir: Path) -> None:
    with pytest.raises(OpsError, match="it has: region-1, region-2"):
        topology.find_or_create_stack("wide", regions=2).find_region("region-3")


def test_tls_is_kept_until_it_is_switched(stack: Topology) -> None:
    assert stack.public_url.startswith("http://")
    switched = topology.find_or_create_stack("unit", tls=True)
    assert switched.public_url == f"https://{LOOPBACK}:{stack.gateway}"
    assert topology.find_or_create_stack("unit") == switched == topology.find_stack("unit")
    assert topology.find_or_create_stack("unit", tls=False) == stack


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "-x", "x" * 32])
def test_a_name_that_is_no_folder_name_is_refused(state_dir: Path, name: str) -> None:
    with pytest.raises(OpsError, match="no name for a stack"):
        topology.find_or_create_stack(name)


@pytest.mark.parametrize(
    ("shards", "members", "regions"), [(0, 1, 1), (9, 1, 1), (2, 2, 1), (2, 1, 0), (2, 1, 3)]
)
def test_numbers_out_of_range_are_refused(state_dir: Path, shards: int, members: int, regions: int) -> None:
    with pytest.raises(OpsError, match="takes"):
        topology.find_or_create_stack("new", shards=shards, members=members, regions=regions)


def test_a_stack_that_was_never_started_is_named_in_the_error(state_dir: Path) -> None:
    with pytest.raises(OpsError, match="no stack 'ghost'"):
        topology.find_stack("ghost")
