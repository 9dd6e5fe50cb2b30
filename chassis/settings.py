"""The environment's settings of every process: one frozen class, checked as a whole at start-up."""

import base64
import binascii
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

from pydantic import (
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

S = TypeVar("S", bound="ProcessSettings")

MIN_KEY_BYTES: Final = 32
EXIT_MISCONFIGURED: Final = 2
"""The exit status of a process that cannot start with these settings."""

RegionId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
PortNumber = Annotated[int, Field(ge=1, le=65_535)]


def _split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parse_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None


def _check_key(value: Any) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error):
        raise ValueError("is not base64") from None
    if len(raw) < MIN_KEY_BYTES:
        raise ValueError(f"holds {len(raw)} bytes; a key has at least {MIN_KEY_BYTES}")
    return value


HostAndPort = Annotated[str, Field(pattern=r"^[^\s:/]+:\d{1,5}$")]
HostAndPorts = Annotated[
    tuple[HostAndPort, ...], NoDecode, BeforeValidator(_split_commas), Field(min_length=1)
]
PeerAddresses = Annotated[dict[str, HostAndPort], NoDecode, BeforeValidator(_parse_json)]
SecretKey = Annotated[SecretStr, BeforeValidator(_check_key)]
SecretKeys = Annotated[tuple[SecretKey, ...], NoDecode, BeforeValidator(_split_commas)]


class MisconfiguredError(Exception):
    """A file that the settings name, such as a configuration file, is wrong; `problems` lists all errors."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class ProcessSettings(BaseSettings):
    """Settings of every process, each from the variable `IC_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="IC_", frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    stack: str = Field(default="dev", description="name of the stack, in logs and metrics")
    environment: Literal["development", "staging", "production"] = "production"
    listen_host: str = Field(default="0.0.0.0", description="the address to listen on")  # noqa: S104
    grpc_port: PortNumber
    tls_folder: DirectoryPath | None = Field(
        default=None,
        description="folder with tls.crt, tls.key and ca.crt: mutual TLS among processes; none: plain",
    )
    grpc_engine: Literal["native", "grpcio"] = Field(
        default="native",
        validate_default=False,
        description="which library serves gRPC: `native` or `grpcio`",
    )
    ops_port: PortNumber
    otlp_endpoint: str = Field(default="", description="where traces are exported to; empty: nowhere")
    trace_sample_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("grpc_engine")
    @classmethod
    def _require_engine_with_tls(cls, engine: str, info: ValidationInfo) -> str:
        """Refuse an engine without TLS that was asked for beside TLS."""
        if engine == "native" and info.data.get("tls_folder"):
            raise ValueError("`native` has no TLS: leave it out where IC_TLS_FOLDER is set")
        return engine

    @property
    def server_engine(self) -> Literal["native", "grpcio"]:
        """The engine that serves: with TLS the one that has it."""
        return "grpcio" if self.tls_folder else self.grpc_engine


class RedisSettings(ProcessSettings):
    """Settings of a process that uses Redis Cluster."""

    redis_nodes: HostAndPorts = Field(description="host:port of some nodes of the cluster, comma-separated")
    redis_password: SecretStr = Field(min_length=1)
    redis_tls: bool = Field(default=False, description="whether connections to Redis are over TLS")
    stores_tls_folder: DirectoryPath | None = Field(
        default=None,
        description="folder with ca.crt for TLS to the stores, with tls.crt and tls.key if they ask for a "
        "certificate; none: the system's authorities",
    )


class ChassisSettings(RedisSettings):
    """Settings of every service; services add their own."""

    slot_map: FilePath = Field(description="JSON file: slot ranges and the shards that hold them")
    mongo_user: str = Field(min_length=1)
    mongo_password: SecretStr = Field(min_length=1)
    amqp_url: SecretStr = Field(min_length=1)
    peers: PeerAddresses = Field(description="JSON object: service name to host:port of its gRPC port")
    service_key: FilePath = Field(description="PEM file: the key with which this service identifies itself")
    service_jwks: FilePath = Field(description="JSON file: the public keys of all services")
    page_token_key: SecretKey = Field(description="base64 of 32 bytes or more, the same in all replicas")
    data_key: SecretKey = Field(description="base64 of 32 bytes or more, the same in all replicas")
    other_data_keys: SecretKeys = Field(
        default=(), description="former and next data keys, which decrypt but do not encrypt, comma-separated"
    )
    registry: Path | None = Field(
        default=None, description="folder in which `serve` registers; none: it does not"
    )
    region: str = Field(
        default="local", pattern=r"^[a-z][a-z0-9-]{0,62}$", description="where this process is"
    )
    drain_s: float = Field(default=1.0, ge=0, le=60, description="time for callers to move on before the end")
    xds_bootstrap: FilePath | None = Field(
        default=None,
        description="JSON file: the control plane that tells where peers are, not `peers`",
    )
    node_id: str = Field(
        default="",
        max_length=253,
        description="who this process is in the mesh; empty: what `xds_bootstrap` says",
    )
    erasure_settle_s: float = Field(
        default=90,
        ge=1,
        le=3600,
        description="how long a service that erases a person waits for calls and events of before",
    )
    public_url: str = Field(pattern=r"^https?://[^\s/]+$", description="the gateway, as API users see it")


def decode_key(secret: SecretStr) -> bytes:
    """Return the bytes of a key that the settings hold as base64."""
    return base64.b64decode(secret.get_secret_value(), validate=True)


def load_settings(cls: type[S]) -> S:
    """Read the settings from the environment.

    If any is missing or wrong, print every error at once, each with its variable, and exit with status 2.
    Values are never printed.
    """
    try:
        return cls.model_validate({})
    except ValidationError as error:
        fail_startup(_explain_error(cls, details) for details in error.errors(include_input=False))
    except SettingsError as error:
        fail_startup(
            [f"{error}: {error.__cause__}"]
        )  # a service's own field that is not the JSON it has to be


def fail_startup(problems: Iterable[str]) -> NoReturn:
    """Print the problems, one line each, and exit with status 2."""
    lines = "\n".join(f"  {complaint}" for complaint in problems)
    print(f"These settings stop the process from starting:\n{lines}", file=sys.stderr)  # noqa: T201
    raise SystemExit(EXIT_MISCONFIGURED)


def _explain_error(cls: type[ProcessSettings], details: ErrorDetails) -> str:
    name, *path = (str(part) for part in details["loc"])
    field = cls.model_fields.get(name)
    place = "".join(f"[{part}]" for part in path)
    return f"{_variable_name(cls, name)}{place}: {_describe_problem(details)}{_describe_field(field)}"


def _variable_name(cls: type[ProcessSettings], field: str) -> str:
    return f"{cls.model_config.get('env_prefix', '')}{field}".upper()


def _describe_problem(details: ErrorDetails) -> str:
    return "is not set" if details["type"] == "missing" else details["msg"].removeprefix("Value error, ")


def _describe_field(field: FieldInfo | None) -> str:
    return f" ({field.description})" if field is not None and field.description else ""
