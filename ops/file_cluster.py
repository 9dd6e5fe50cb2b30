"""A cluster described by a file of endpoints and a folder of secrets, as Kubernetes mounts them.

The file is YAML (`ClusterFile` has its fields). The folder holds one file for each secret; a secret is read
when a command needs it, and no message shows its value.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import quote

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chassis.mongo.client import use_store_tls
from chassis.settings import HostAndPort
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE, SLOT_MAP_COLLECTION
from chassis.store_tls import StoreTls
from ops.cluster import AdminLogin, ClusterShard, even_slot_map
from ops.console import console
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.service_names import OPERATOR_SERVICE, SERVICES
from ops.shards import addresses

DEFAULT_ADMIN_USER: Final = "admin"
SECRETS_FOLDER: Final = "secrets"
SHARD_TIMEOUT_MS: Final = 5_000
_UNUSED_PORT: Final = "1"
"""For settings that only listening processes need; an operator's command does not listen."""


def _check_shard_uri(uri: str) -> str:
    try:
        return addresses.normalise_shard_uri(uri)
    except OpsError as error:
        raise ValueError(str(error)) from None


def _expand_address(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


class ServiceEndpoint(BaseModel):
    """The address of a service, and settings of its own; `host:port` is short for the address alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: HostAndPort
    settings: dict[str, str] = {}


class ClusterFile(BaseModel):
    """The cluster file; paths in it are relative to the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1)
    shards: dict[str, Annotated[str, AfterValidator(_check_shard_uri)]] = Field(min_length=1)
    """URIs without a user, in the order of the slot map."""
    rabbit: str = Field(default="", pattern=r"^((amqps?://)?[^\s:/@]+:\d{1,5}/\S*)?$")
    """`host:port/vhost`, after `amqps://` where it is over TLS; not needed beside the secret `amqp-url`."""
    redis: list[HostAndPort] = []
    control_plane: HostAndPort | None = None
    prometheus: str = Field(default="", pattern=r"^(https?://[^\s/]+\S*)?$")
    services: dict[str, Annotated[ServiceEndpoint, BeforeValidator(_expand_address)]] = Field(min_length=1)
    public_url: str = ""
    settings: dict[str, str] = {}
    """Environment variables of all services, as in their pods."""
    slot_map: Path | None = None
    """The first slot map; without it slots are distributed evenly over the shards."""
    secrets: Path = Path(SECRETS_FOLDER)
    tls: Path | None = None
    """The folder with tls.crt, tls.key and ca.crt, where processes speak mutual TLS."""
    stores_tls: Path | None = None
    """The folder with ca.crt for TLS to the stores, and tls.crt and tls.key if they ask for a certificate."""


def open_file_cluster(path: Path) -> "FileCluster":
    """Read a cluster file.

    Raises:
        OpsError: there is no such file, or it is invalid; the message names every wrong field.
    """
    try:
        written = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"the cluster file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise OpsError(f"the cluster file {path} is no YAML: {error}") from error
    try:
        found = ClusterFile.model_validate(written)
    except ValidationError as errors:
        raise OpsError(f"the cluster file {path} is wrong:\n{_list_errors(errors)}") from errors
    if unknown := [name for name in found.services if name not in SERVICES]:
        known = ", ".join(SERVICES)
        raise OpsError(f"the cluster file {path} is wrong:\n  services.{unknown[0]}: there are only {known}")
    return FileCluster(path.resolve(), found)


@dataclass(frozen=True)
class FileCluster:
    """A cluster whose servers run already; see `ops.cluster.Cluster`."""

    path: Path
    file: ClusterFile

    def __str__(self) -> str:
        return f"the cluster '{self.name}'"

    @property
    def name(self) -> str:
        """The file's `name`."""
        return self.file.name

    @property
    def reference(self) -> str:
        """The file's absolute path."""
        return str(self.path)

    @property
    def status_hint(self) -> str:
        """Empty: a file does not say which command shows the cluster's processes."""
        return ""

    @property
    def shards(self) -> tuple[ClusterShard, ...]:
        """The file's shards."""
        return tuple(ClusterShard(name, uri) for name, uri in self.file.shards.items())

    @property
    def admin_login(self) -> AdminLogin:
        """The secrets `mongo-admin-user`, by default `admin`, and `mongo-admin-password`."""
        user = self._optional_secret("mongo-admin-user") or DEFAULT_ADMIN_USER
        return AdminLogin(quote(user, safe=""), quote(self._secret("mongo-admin-password"), safe=""))

    @property
    def amqp_url(self) -> str:
        """The secret `amqp-url`, or a URL of `rabbit`, `rabbit-user` and `rabbit-password`."""
        if url := self._optional_secret("amqp-url"):
            return url
        if not self.file.rabbit:
            raise OpsError(f"{self.path} names no `rabbit`, and {self._secrets} holds no 'amqp-url'")
        login = ":".join(quote(self._secret(name), safe="") for name in ("rabbit-user", "rabbit-password"))
        scheme, _, address = self.file.rabbit.rpartition("://")
        return f"{scheme or 'amqp'}://{login}@{address}"

    @property
    def tls_folder(self) -> Path | None:
        """The file's `tls`, from its folder."""
        return self.path.parent / self.file.tls if self.file.tls else None

    @property
    def store_tls(self) -> StoreTls | None:
        """The certificates of `stores_tls`; OpsError if they cannot be used."""
        try:
            return StoreTls(self._stores_tls_folder) if self._stores_tls_folder else None
        except ValueError as error:
            raise OpsError(f"{self.path}: stores_tls: {error}") from error

    @property
    def control_plane(self) -> str:
        """The file's `control_plane`; OpsError without one."""
        return str(self._require_field("control_plane", self.file.control_plane))

    @property
    def prometheus_url(self) -> str:
        """The file's `prometheus`; OpsError without one."""
        return str(self._require_field("prometheus", self.file.prometheus))

    @property
    def services(self) -> tuple[str, ...]:
        """The services with an address in the file."""
        return tuple(name for name in SERVICES if name in self.file.services)

    def service_address(self, service: str) -> str:
        """Return the file's address of the service."""
        if service not in self.file.services:
            raise OpsError(f"{self.path} has no address of the service '{service}': add services.{service}")
        return self.file.services[service].address

    def service_mongo_password(self, service: str) -> str:
        """Return the secret `<service>-mongo-password`."""
        return self._secret(f"{service}-mongo-password")

    def service_environment(self, service: str) -> Mapping[str, str]:
        """Return the settings from endpoints and secrets, overridden by those in the file."""
        self.service_address(service)
        peers = {name: endpoint.address for name, endpoint in self.file.services.items()}
        return {
            "IC_STACK": self.name,
            "IC_GRPC_PORT": _UNUSED_PORT,
            "IC_OPS_PORT": _UNUSED_PORT,
            "IC_SLOT_MAP": str(self._write_newest_slot_map()),
            "IC_MONGO_USER": service,
            "IC_MONGO_PASSWORD": self.service_mongo_password(service),
            "IC_REDIS_NODES": ",".join(self._require_field("redis", self.file.redis)),
            "IC_REDIS_PASSWORD": self._secret("redis-password"),
            "IC_AMQP_URL": self.amqp_url,
            "IC_PEERS": json.dumps(peers),
            "IC_SERVICE_KEY": str(self._secret_path(f"{service}-key.pem")),
            "IC_SERVICE_JWKS": str(self._secret_path("service-jwks.json")),
            "IC_PAGE_TOKEN_KEY": self._secret("page-token-key"),
            "IC_DATA_KEY": self._secret(f"{service}-data-key"),
            "IC_OTHER_DATA_KEYS": self._optional_secret(f"{service}-other-data-keys") or "",
            "IC_PUBLIC_URL": self._require_field("public_url", self.file.public_url),
            **({"IC_STORES_TLS_FOLDER": str(folder)} if (folder := self._stores_tls_folder) else {}),
            **self.file.settings,
            **self.file.services[service].settings,
        }

    def operator_key(self) -> Path:
        """Return the secret `ops-key.pem`."""
        return self._secret_path(f"{OPERATOR_SERVICE}-key.pem")

    def first_slot_map(self) -> SlotMap:
        """Return the file's slot map, or one with the slots distributed evenly."""
        path = self._slot_map_path
        if path is None:
            return even_slot_map(self.shards)
        try:
            return SlotMap.load(path)
        except (OSError, ValueError) as error:
            raise OpsError(f"{self.path}: slot_map: {error}") from error

    def require_running(self) -> None:
        """Do nothing: the file does not tell whether the cluster runs."""

    def prepare_stores(self) -> None:
        """Do nothing: the operators of the servers have prepared them."""

    def holder_name(self, holder: str) -> str:
        """Return the holder as it is."""
        return holder

    def watchdog_log(self) -> Path | None:
        """Return None: a container's stderr is its log."""
        return None

    def with_shard(self, name: str, uri: str = "") -> Self:
        """Return the cluster with one more shard. Raises OpsError without the address of its servers."""
        if name in self.file.shards:
            return self
        if not uri:
            raise OpsError(f"give the address of its servers: ic shards add {name} URI")
        return self.with_shard_uri(name, uri)

    def with_shard_uri(self, name: str, uri: str) -> Self:
        """Return the cluster with a shard at another address."""
        shards = {**self.file.shards, name: uri}
        return replace(self, file=self.file.model_copy(update={"shards": shards}))

    def save(self) -> None:
        """Rewrite the file's shards; if it cannot be written, print the new content."""
        try:
            written = yaml.safe_load(self.path.read_text())
            if written["shards"] == self.file.shards:
                return
            self.path.write_text(yaml.safe_dump(written | {"shards": self.file.shards}, sort_keys=False))
        except OSError:
            lines = yaml.safe_dump({"shards": self.file.shards}, sort_keys=False)
            console.print(f"{self.path} cannot be written; write there:\n{lines}", markup=False)

    def start_shard(self, name: str, progress: StepProgress) -> None:
        """Do nothing: the servers run already."""

    def save_slot_map(self, slot_map: SlotMap) -> None:
        """Write the file that `slot_map` names, unless it is read-only: the shards hold the map."""
        path = self._slot_map_path
        if path is not None and os.access(path, os.W_OK):
            path.write_text(json.dumps(slot_map.to_document(), indent=2))

    @property
    def _stores_tls_folder(self) -> Path | None:
        return None if self.file.stores_tls is None else self.path.parent / self.file.stores_tls

    @property
    def _slot_map_path(self) -> Path | None:
        return None if self.file.slot_map is None else self.path.parent / self.file.slot_map

    @property
    def _secrets(self) -> Path:
        return self.path.parent / self.file.secrets

    def _write_newest_slot_map(self) -> Path:
        """Write the newest map that a shard holds to a file that only this user can read."""
        copies = [copy for shard in self.shards if (copy := self._read_slot_map(shard)) is not None]
        slot_map = max(copies, key=lambda copy: copy.version, default=self.first_slot_map())
        handle, path = tempfile.mkstemp(prefix="ic-slot-map-", suffix=".json")
        with os.fdopen(handle, "w") as file:
            json.dump(slot_map.to_document(), file)
        return Path(path)

    def _read_slot_map(self, shard: ClusterShard) -> SlotMap | None:
        uri = addresses.admin_uri(shard, self.admin_login)
        try:
            with MongoClient[dict[str, Any]](uri, timeoutMS=SHARD_TIMEOUT_MS, connect=False) as client:
                use_store_tls(client, self.store_tls)
                document = client[CLUSTER_DATABASE][SLOT_MAP_COLLECTION].find_one({})
        except PyMongoError as error:
            raise OpsError(addresses.describe_unreachable_shard(shard, error)) from error
        return None if document is None else SlotMap.from_document(document)

    def _require_field(self, name: str, value: Any) -> Any:
        if not value:
            raise OpsError(f"{self.path} has no `{name}`, which this command needs")
        return value

    def _secret(self, name: str) -> str:
        return self._secret_path(name).read_text().removesuffix("\n")

    def _optional_secret(self, name: str) -> str:
        return self._secret(name) if (self._secrets / name).is_file() else ""

    def _secret_path(self, name: str) -> Path:
        path = self._secrets / name
        if not path.is_file():
            raise OpsError(f"there is no secret '{name}' in {self._secrets}, which this command needs")
        return path


def _list_errors(errors: ValidationError) -> str:
    lines = []
    for error in errors.errors(include_input=False, include_url=False):
        place = ".".join(str(part) for part in error["loc"]) or "the whole file"
        lines.append(f"  {place}: {error['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
