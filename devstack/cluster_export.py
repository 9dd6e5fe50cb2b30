"""Exports the local stack as a file of endpoints and a folder of secrets, for `ic --cluster FILE`."""

import shutil
from pathlib import Path

import yaml

from devstack.credentials import service_jwks_path, service_key_path, write_private_file
from devstack.local_cluster import LocalCluster
from devstack.topology_parts import LOOPBACK
from ops.file_cluster import SECRETS_FOLDER
from ops.service_names import OPERATOR_SERVICE

CLUSTER_FILE = "cluster.yaml"


def write_cluster_file(cluster: LocalCluster, folder: Path) -> Path:
    """Write `cluster.yaml` and `secrets/` into a folder, over existing ones; return the file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secrets = folder / SECRETS_FOLDER
    for name, value in _secret_values(cluster).items():
        write_private_file(secrets / name, value)
    for name, source in _secret_files(cluster).items():
        write_private_file(secrets / name, source.read_text())
    shutil.copyfile(cluster.topology.slot_map_file, folder / "slots.json")
    path = folder / CLUSTER_FILE
    path.write_text(yaml.safe_dump(_endpoints(cluster), sort_keys=False))
    return path


def _endpoints(cluster: LocalCluster) -> dict[str, object]:
    topology = cluster.topology
    return {
        "name": cluster.name,
        "shards": {shard.name: shard.uri for shard in cluster.shards},
        "rabbit": cluster.amqp_url.partition(";")[0].partition("@")[2],
        "redis": [f"{LOOPBACK}:{node.port}" for node in topology.redis],
        "control_plane": cluster.control_plane,
        "services": {service: cluster.service_address(service) for service in cluster.services},
        "public_url": topology.public_url,
        **({"prometheus": cluster.prometheus_url} if topology.observe else {}),
        "settings": {"IC_ENVIRONMENT": "development"},
        "slot_map": "slots.json",
    }


def _secret_values(cluster: LocalCluster) -> dict[str, str]:
    login, broker = cluster.admin_login, cluster.amqp_url.partition("://")[2].partition("@")[0]
    user, _, password = broker.partition(":")
    values = {
        "mongo-admin-user": login.user,
        "mongo-admin-password": login.password,
        "rabbit-user": user,
        "rabbit-password": password,
        "redis-password": cluster.credentials.redis_password,
        "page-token-key": cluster.credentials.page_token_key,
    }
    if len(cluster.topology.brokers) > 1:
        values["amqp-url"] = cluster.amqp_url
    for service, own in cluster.credentials.services.items():
        values |= {f"{service}-mongo-password": own.mongo_password, f"{service}-data-key": own.data_key}
        if own.other_data_keys:
            values[f"{service}-other-data-keys"] = ",".join(own.other_data_keys)
    return values


def _secret_files(cluster: LocalCluster) -> dict[str, Path]:
    keys = {
        f"{service}-key.pem": service_key_path(cluster.topology, service)
        for service in (*cluster.services, OPERATOR_SERVICE)
    }
    return keys | {"service-jwks.json": service_jwks_path(cluster.topology)}
