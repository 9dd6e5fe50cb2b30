"""What every cluster does for the operator's tools; the local stack and the file pass the same tests."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.ids import SLOT_COUNT
from ops.cluster import Cluster, ClusterShard, open_cluster
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.service_names import SERVICES

NEW_SHARD, NEW_URI = "s9", "mongodb://db9:27017/?replicaSet=eu9"


def known_facts(cluster: Cluster) -> list[object]:
    """Return what no command may find changed in a cluster that is opened again."""
    return [
        cluster.name,
        str(cluster),
        cluster.shards,
        cluster.admin_login,
        cluster.amqp_url,
        cluster.control_plane,
        cluster.services,
        cluster.operator_key().read_bytes(),
        *(cluster.service_address(service) for service in cluster.services),
        *(cluster.service_mongo_password(service) for service in cluster.services),
    ]


class ClusterContract:
    """Subclasses provide the fixture `cluster`: one with two shards and all services, of which none runs."""

    def test_its_reference_opens_the_same_cluster_in_another_process(self, cluster: Cluster) -> None:
        assert known_facts(open_cluster(cluster.reference)) == known_facts(cluster)

    def test_its_text_is_the_subject_of_a_message(self, cluster: Cluster) -> None:
        assert str(cluster).startswith("the ")
        assert f"'{cluster.name}'" in str(cluster)

    def test_the_first_slot_map_gives_every_slot_to_one_of_its_shards(self, cluster: Cluster) -> None:
        slot_map = cluster.first_slot_map()
        assert slot_map.uris == {shard.name: shard.uri for shard in cluster.shards}
        assert len(slot_map.owners) == SLOT_COUNT
        assert set(slot_map.owners) == set(slot_map.uris)

    def test_addresses_of_shards_hold_no_login(self, cluster: Cluster) -> None:
        for shard in cluster.shards:
            assert shard.uri.startswith("mongodb://")
            assert "@" not in shard.uri

    def test_the_broker_s_url_holds_a_login(self, cluster: Cluster) -> None:
        scheme, _, rest = cluster.amqp_url.partition("://")
        login, _, place = rest.partition("@")
        assert scheme in {"amqp", "amqps"}
        assert all(login.partition(":")[::2])
        assert place

    def test_the_administrator_s_password_is_in_no_text(self, cluster: Cluster) -> None:
        assert cluster.admin_login.password
        assert cluster.admin_login.password not in repr(cluster.admin_login)

    def test_services_have_addresses_and_passwords_of_their_own(self, cluster: Cluster) -> None:
        assert cluster.services == SERVICES
        addresses = [cluster.service_address(service) for service in cluster.services]
        passwords = [cluster.service_mongo_password(service) for service in cluster.services]
        assert len(set(addresses)) == len(set(passwords)) == len(SERVICES)
        assert all(address.rpartition(":")[2].isdigit() for address in (*addresses, cluster.control_plane))

    def test_a_service_that_it_does_not_run_is_an_operator_s_error(self, cluster: Cluster) -> None:
        with pytest.raises(OpsError, match="payments"):
            cluster.service_address("payments")

    def test_the_operator_s_key_is_a_private_key(self, cluster: Cluster) -> None:
        assert load_pem_private_key(cluster.operator_key().read_bytes(), None)

    def test_a_holder_that_is_none_of_its_processes_keeps_its_name(self, cluster: Cluster) -> None:
        assert cluster.holder_name("somebody") == "somebody"

    def test_a_new_shard_is_the_last_one_and_is_kept_when_it_is_saved(self, cluster: Cluster) -> None:
        grown = cluster.with_shard(NEW_SHARD, NEW_URI)
        assert grown.shards == (*cluster.shards, ClusterShard(NEW_SHARD, NEW_URI))
        assert open_cluster(cluster.reference).shards == cluster.shards

        grown.save()

        assert open_cluster(cluster.reference).shards == grown.shards

    def test_a_shard_that_it_has_is_not_added_again(self, cluster: Cluster) -> None:
        known = cluster.shards[1].name
        assert cluster.with_shard(known, NEW_URI).shards == cluster.shards

    def test_a_shard_gets_another_address_and_keeps_its_place(self, cluster: Cluster) -> None:
        first, second = cluster.shards
        moved = cluster.with_shard_uri(first.name, NEW_URI)
        assert moved.shards == (ClusterShard(first.name, NEW_URI), second)
        assert cluster.shards == (first, second)

        moved.save()

        assert open_cluster(cluster.reference).shards == moved.shards

    def test_servers_of_a_shard_that_run_elsewhere_are_left_alone(self, cluster: Cluster) -> None:
        cluster.with_shard(NEW_SHARD, NEW_URI).start_shard(NEW_SHARD, StepProgress())

    def test_a_slot_map_that_is_saved_is_the_one_that_processes_start_with(self, cluster: Cluster) -> None:
        first, second = (shard.name for shard in cluster.shards)
        before = cluster.first_slot_map()
        swapped = {first: second, second: first}
        owners = tuple(swapped[owner] for owner in before.owners)
        changed = replace(before, version=before.version + 1, owners=owners)

        cluster.save_slot_map(changed)

        assert cluster.first_slot_map() == changed
