"""MongoDB servers that belong to no stack, as those that somebody else runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from devstack import binaries, mongo
from tests.ports import free_port
from tests.stack import wait_until_blocking

HOST = "127.0.0.1"


@contextmanager
def replica_set(folder: Path, name: str, password: str) -> Iterator[str]:
    """Run a replica set of one member, with the administrator's user, and yield its address."""
    with _initiated(folder, name) as port, _client(port) as client:
        client.admin.command("createUser", mongo.ADMIN_USER, pwd=password, roles=["root"])
        yield f"mongodb://{HOST}:{port}/?replicaSet={name}"


def mongos() -> str | None:
    """Return the router of native sharded clusters: `MONGOS`, then one on the PATH; None without any."""
    return os.environ.get("MONGOS") or shutil.which("mongos")


@contextmanager
def sharded_cluster(folder: Path, router: str, password: str) -> Iterator[str]:
    """Yield the address of a `mongos` before one native shard; it has the administrator's user."""
    with _initiated(folder / "config", "config", "--configsvr") as config, ExitStack() as running:
        shard = running.enter_context(_initiated(folder / "shard", "shard", "--shardsvr"))
        port = free_port()
        options = ("--configdb", f"config/{HOST}:{config}", "--keyFile", str(folder / "config" / "key"))
        running.enter_context(_running(port, router, *options))
        with _client(port) as client:
            client.admin.command("createUser", mongo.ADMIN_USER, pwd=password, roles=["root"])
        with _client(port, username=mongo.ADMIN_USER, password=password) as client:
            client.admin.command("addShard", f"shard/{HOST}:{shard}")
        yield f"mongodb://{HOST}:{port}/"


@contextmanager
def _initiated(folder: Path, name: str, *options: str) -> Iterator[int]:
    """Yield the port of a replica set's only member, once it is primary."""
    port = free_port()
    with _mongod(folder, port, "--replSet", name, *options), _client(port) as client:
        member = {"_id": 0, "host": f"{HOST}:{port}"}
        client.admin.command("replSetInitiate", {"_id": name, "members": [member]})
        wait_until_blocking(
            lambda: client.admin.command("hello")["isWritablePrimary"], "a primary", within_s=30
        )
        yield port


@contextmanager
def _mongod(folder: Path, port: int, *options: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    key = folder / "key"
    key.write_text("ofthistestalone1")
    key.chmod(0o600)
    sizes = ("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64")
    own = ("--dbpath", str(folder), "--keyFile", str(key), *sizes)
    with _running(port, str(binaries.mongod()), *own, *options):
        yield


@contextmanager
def _running(port: int, binary: str, *options: str) -> Iterator[None]:
    command = [binary, "--port", str(port), "--bind_ip", HOST, "--nounixsocket", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until_blocking(lambda: _answers(port), f"{binary} to answer", within_s=30)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _client(port: int, **options: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient(HOST, port, directConnection=True, serverSelectionTimeoutMS=500, **options)


def _answers(port: int) -> bool:
    with _client(port) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True
