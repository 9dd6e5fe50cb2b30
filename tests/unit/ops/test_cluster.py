"""What the port itself brings: the first slot map of a cluster."""

import json

from ops.cluster import ClusterShard, even_slot_map


def test_the_first_slot_map_deals_out_every_slot_once() -> None:
    shards = [ClusterShard(f"s{i}", f"mongodb://127.0.0.1:{27100 + i}/?replicaSet=s{i}") for i in range(3)]

    ranges = even_slot_map(shards).to_document()["ranges"]

    assert [found["first"] for found in ranges] == [0, *(found["last"] + 1 for found in ranges[:-1])]
    assert ranges[-1]["last"] == 16383
    assert "@" not in json.dumps(even_slot_map(shards).to_document())
