"""The users that provisioning makes on a shard: one for each service, for its own database only."""

from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from chassis.mongo.client import use_store_tls
from chassis.sharding.slot_map_store import CLUSTER_DATABASE, MEMBERS_COLLECTION
from ops.cluster import Cluster, ClusterShard
from ops.errors import OpsError
from ops.service_names import service_database
from ops.shards import addresses

SERVER_SELECTION_TIMEOUT_MS: Final = 2_000
SOCKET_TIMEOUT_MS: Final = 30_000
MEMBER_ROLE: Final = "ic_member"
"""Reads the shard's copy of the slot map, and records the confirmed version."""
_ADMIN_DATABASE: Final = "admin"
_USER_ALREADY_EXISTS: Final = 51003
_ROLE_ALREADY_EXISTS: Final = 51002

_Client = MongoClient[dict[str, Any]]


def ensure_service_users(cluster: Cluster) -> None:
    """Create each service's user on every shard, or give an existing one the present password and roles.

    Connections stay open when a password changes; a new one needs the present password.

    Raises:
        OpsError: a shard does not answer, or refuses the administrator's user.
    """
    for shard in cluster.shards:
        try:
            _ensure_shard_users(cluster, shard)
        except PyMongoError as error:
            raise OpsError(addresses.describe_unreachable_shard(shard, error)) from error


def _ensure_shard_users(cluster: Cluster, shard: ClusterShard) -> None:
    client: _Client = MongoClient(
        addresses.admin_uri(shard, cluster.admin_login),
        serverSelectionTimeoutMS=SERVER_SELECTION_TIMEOUT_MS,
        socketTimeoutMS=SOCKET_TIMEOUT_MS,
        connect=False,
    )
    use_store_tls(client, cluster.store_tls)
    with client:
        _ensure_member_role(client)
        for service in cluster.services:
            _ensure_user(client, service, cluster.service_mongo_password(service))


def _ensure_user(client: _Client, service: str, password: str) -> None:
    """Create a service's user, who may use its own database, and take part in the cluster's."""
    roles = [
        {"role": "readWrite", "db": service_database(service)},
        {"role": MEMBER_ROLE, "db": _ADMIN_DATABASE},
    ]
    try:
        client.admin.command("createUser", service, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code != _USER_ALREADY_EXISTS:
            raise
        client.admin.command("updateUser", service, pwd=password, roles=roles)


def _ensure_member_role(client: _Client) -> None:
    privilege = {
        "resource": {"db": CLUSTER_DATABASE, "collection": MEMBERS_COLLECTION},
        "actions": ["find", "insert", "update", "remove"],
    }
    roles = [{"role": "read", "db": CLUSTER_DATABASE}]
    try:
        client.admin.command("createRole", MEMBER_ROLE, privileges=[privilege], roles=roles)
    except OperationFailure as error:
        if error.code != _ROLE_ALREADY_EXISTS:
            raise
