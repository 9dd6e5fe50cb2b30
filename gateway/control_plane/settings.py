"""The environment's settings of the control plane."""

from pathlib import Path

from pydantic import Field, FilePath

from chassis.settings import HostAndPort, ProcessSettings
from gateway.control_plane.kubernetes.access import SERVICE_ACCOUNT_FOLDER


class ControlPlaneSettings(ProcessSettings):
    """Each from the variable `IC_<NAME>`."""

    mesh: FilePath = Field(description="YAML file: services, their endpoints, the bounds of calls")
    descriptors: FilePath = Field(description="the contracts' descriptor set, imports included")
    registry: Path = Field(default=Path("registry"), description="folder in which processes register")
    kubernetes_api: str = Field(
        default="",
        pattern=r"^(https?://[^\s/]+/?)?$",
        description="URL of the API for `kubernetes` in the mesh file; empty: that of the own cluster",
    )
    kubernetes_credentials: Path = Field(
        default=SERVICE_ACCOUNT_FOLDER,
        description="folder with token, ca.crt and namespace of a service account",
    )
    pushes_per_node_per_s: float = Field(
        default=2.0, ge=0.01, le=100, description="changes that a node gets a second, after the first ten"
    )
    new_streams_per_s: float = Field(
        default=200.0, ge=1, le=10_000, description="nodes that are let in a second, after the first 500"
    )
    max_connection_age_s: float = Field(
        default=1_800.0,
        ge=10,
        le=86_400,
        description="when a node has to connect again, a tenth more or less",
    )
    gateway_listen: HostAndPort = Field(default="0.0.0.0:8080", description="where the gateway listens")
    gateway_pages: Path | None = Field(
        default=None,
        description="folder with openapi.json, openapi-all.json and docs.html, for the gateway to answer",
    )
