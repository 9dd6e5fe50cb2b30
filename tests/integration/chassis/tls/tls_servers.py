"""MongoDB, Redis Cluster and RabbitMQ that speak TLS only, to clients with a certificate."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from devstack import binaries
from tests.mongods import replica_set
from tests.mounted_secret import MountedSecret
from tests.ports import free_port
from tests.stack import wait_until_blocking

HOST: Final = "127.0.0.1"
UNNAMED_HOST: Final = "127.0.0.2"
"""Where the servers listen, too, though it is in no certificate."""
PASSWORD: Final = "ofthistestalone"
USER: Final = "test"
START_TIMEOUT_S: Final = 90


@dataclass(frozen=True)
class TlsServers:
    """The addresses of the servers; each shows the certificate of `secret`, which is for 127.0.0.1 only."""

    secret: MountedSecret
    mongo_uri: str
    redis_node: str
    amqp_url: str


@contextmanager
def running_servers(folder: Path, secret: MountedSecret) -> Iterator[TlsServers]:
    """Run the servers on free ports; they take the certificates of the secret's authority."""
    with (
        _broker(folder / "rabbit", secret) as broker,
        _redis(folder / "redis", secret) as node,
        replica_set(folder / "mongo", "secure", PASSWORD, secret=secret) as uri,
    ):
        amqp_url = f"amqps://{USER}:{PASSWORD}@{HOST}:{broker}//"
        yield TlsServers(secret, f"{uri}&tls=true", f"{HOST}:{node}", amqp_url)


@contextmanager
def _redis(folder: Path, secret: MountedSecret) -> Iterator[int]:
    port, bus = free_port(), free_port()
    settings = {
        "bind": f"{HOST} {UNNAMED_HOST}",
        "port": 0,
        "tls-port": port,
        "tls-cert-file": secret.folder / "tls.crt",
        "tls-key-file": secret.folder / "tls.key",
        "tls-ca-cert-file": secret.folder / "ca.crt",
        "tls-auth-clients": "yes",
        "tls-cluster": "yes",
        "cluster-enabled": "yes",
        "cluster-port": bus,
        "cluster-announce-ip": HOST,
        "cluster-announce-tls-port": port,
        "dir": folder,
        "save": '""',
        "requirepass": PASSWORD,
    }
    folder.mkdir()
    path = folder / "redis.conf"
    path.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    files: dict[str, Any] = {
        "ssl_ca_certs": str(secret.folder / "ca.crt"),
        "ssl_certfile": str(secret.folder / "tls.crt"),
        "ssl_keyfile": str(secret.folder / "tls.key"),
    }
    client = Redis(HOST, port, password=PASSWORD, ssl=True, **files)
    with _running([str(binaries.redis_server()), str(path)], {}, lambda: _has_answered(client)), client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)  # type: ignore[no-untyped-call]
        wait_until_blocking(lambda: _is_ready(client), "the cluster", within_s=30)
        yield port


def _has_answered(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False


def _is_ready(client: Redis) -> bool:
    info: Mapping[str, str] = client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    return info["cluster_state"] == "ok"


@contextmanager
def _broker(folder: Path, secret: MountedSecret) -> Iterator[int]:
    port, mapper = free_port(), free_port()
    settings = {
        "listeners.tcp": "none",
        "listeners.ssl.1": f"{HOST}:{port}",
        "listeners.ssl.2": f"{UNNAMED_HOST}:{port}",
        "ssl_options.cacertfile": secret.folder / "ca.crt",
        "ssl_options.certfile": secret.folder / "tls.crt",
        "ssl_options.keyfile": secret.folder / "tls.key",
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
        "default_user": USER,
        "default_pass": PASSWORD,
        "log.file": "false",
    }
    folder.mkdir()
    (folder / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    (folder / "rabbitmq-env.conf").write_text("")
    (folder / "plugins").write_text("[].\n")
    environment = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"ic-tls-{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1:1 +sbwt none -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
        ),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": HOST,
        # The script then becomes the broker, which is thus the process to end.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    epmd = [str(binaries.epmd()), "-port", str(mapper), "-address", HOST]
    server = [str(binaries.rabbitmq_server())]
    context = secret.client_context()
    context.load_cert_chain(secret.folder / "tls.crt", secret.folder / "tls.key")
    with (
        _running(epmd, {}, lambda: _accepts(mapper)),
        _running(server, environment, lambda: _shakes_hands(port, context)),
    ):
        yield port


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _shakes_hands(port: int, context: SSLContext) -> bool:
    try:
        with (
            socket.create_connection((HOST, port), timeout=1) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secured,
        ):
            secured.sendall(b"AMQP\0\0\x09\x01")
            return bool(secured.recv(1))
    except OSError:
        return False


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], answers: Callable[[], bool]
) -> Iterator[None]:
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        wait_until_blocking(answers, f"{command[0]} to answer", within_s=START_TIMEOUT_S)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
