"""A MongoDB server that belongs to no stack, as one that somebody else runs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from ops.stack import binaries, mongo
from tests.stack import await_true

HOST = "127.0.0.1"


@contextmanager
def replica_set(folder: Path, name: str, password: str) -> Iterator[str]:
    """Its address, `mongodb://host:port/?replicaSet=name`: one member, which has the administrator's user."""
    port = _free_port()
    with _running(folder, port, "--replSet", name), _client(port) as client:
        member = {"_id": 0, "host": f"{HOST}:{port}"}
        client.admin.command("replSetInitiate", {"_id": name, "members": [member]})
        await_true(lambda: client.admin.command("hello")["isWritablePrimary"], "a primary", within_s=30)
        client.admin.command("createUser", mongo.ADMIN, pwd=password, roles=["root"])
        yield f"mongodb://{HOST}:{port}/?replicaSet={name}"


@contextmanager
def _running(folder: Path, port: int, *options: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    key = folder / "key"
    key.write_text("ofthistestalone1")
    key.chmod(0o600)
    command = [str(binaries.mongod()), "--dbpath", str(folder), "--port", str(port), "--bind_ip", HOST]
    command += ["--keyFile", str(key), "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", *options]
    process = subprocess.Popen([*command, "--nounixsocket"], stdout=subprocess.DEVNULL)
    try:
        await_true(lambda: _answers(port), "mongod to answer", within_s=30)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _client(port: int) -> MongoClient[dict[str, Any]]:
    return MongoClient(HOST, port, directConnection=True, serverSelectionTimeoutMS=500)


def _answers(port: int) -> bool:
    with _client(port) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True


def _free_port() -> int:
    with socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
