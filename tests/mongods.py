"""MongoDB servers that belong to no stack, as those that somebody else runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chassis.tls_files import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE
from devstack import binaries, mongo
from tests.mounted_secret import MountedSecret
from tests.ports import free_port
from tests.stack import wait_until_blocking

HOST = "127.0.0.1"
PLAIN: Final[Mapping[str, Any]] = {}


@contextmanager
def replica_set(folder: Path, name: str, password: str, secret: MountedSecret | None = None) -> Iterator[str]:
    """Run a replica set of one member, with the administrator's user, and yield its address.

    With a `secret` it speaks TLS only, to clients with a certificate of the secret's authority.
    """
    options = _tls_options(secret)
    with _initiated(folder, name, client_options=options) as port, _client(port, **options) as client:
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
def _initiated(
    folder: Path, name: str, *options: str, client_options: Mapping[str, Any] = PLAIN
) -> Iterator[int]:
    """Yield the port of a replica set's only member, once it is primary."""
    port = free_port()
    with (
        _mongod(folder, port, "--replSet", name, *options, client_options=client_options),
        _client(port, **client_options) as client,
    ):
        member = {"_id": 0, "host": f"{HOST}:{port}"}
        client.admin.command("replSetInitiate", {"_id": name, "members": [member]})
        wait_until_blocking(
            lambda: client.admin.command("hello")["isWritablePrimary"], "a primary", within_s=30
        )
        yield port


@contextmanager
def _mongod(folder: Path, port: int, *options: str, client_options: Mapping[str, Any]) -> Iterator[None]:
    folder.mkdir(parents=True)
    key = folder / "key"
    key.write_text("ofthistestalone1")
    key.chmod(0o600)
    sizes = ("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64")
    own = ("--dbpath", str(folder), "--keyFile", str(key), *sizes)
    tls = _server_tls(client_options)
    with _running(port, str(binaries.mongod()), *own, *options, *tls, client_options=client_options):
        yield


def _tls_options(secret: MountedSecret | None) -> Mapping[str, Any]:
    """Return the options of a client with this certificate, which is written into one file with its key."""
    if secret is None:
        return PLAIN
    pair = secret.folder.with_suffix(".pem")
    pair.write_bytes(
        (secret.folder / KEY_FILE).read_bytes() + (secret.folder / CERTIFICATE_FILE).read_bytes()
    )
    return {
        "tls": True,
        "tlsCertificateKeyFile": str(pair),
        "tlsCAFile": str(secret.folder / AUTHORITY_FILE),
    }


def _server_tls(client_options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arguments of a server that shows the certificate of its test's own client."""
    if not client_options:
        return ()
    files = ("tlsCertificateKeyFile", "tlsCAFile")
    named = (argument for name in files for argument in (f"--{name}", str(client_options[name])))
    return ("--tlsMode", "requireTLS", *named)


@contextmanager
def _running(
    port: int, binary: str, *options: str, client_options: Mapping[str, Any] = PLAIN
) -> Iterator[None]:
    command = [binary, "--port", str(port), "--bind_ip", f"{HOST},127.0.0.2", "--nounixsocket", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until_blocking(lambda: _answers(port, client_options), f"{binary} to answer", within_s=30)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _client(port: int, **options: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient(HOST, port, directConnection=True, serverSelectionTimeoutMS=500, **options)


def _answers(port: int, options: Mapping[str, Any]) -> bool:
    with _client(port, **options) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True
