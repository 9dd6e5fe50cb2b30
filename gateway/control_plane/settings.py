"""The environment's settings of the control plane."""

from pathlib import Path

from pydantic import Field, FilePath

from chassis.settings import HostAndPort, ProcessSettings


class ControlPlaneSettings(ProcessSettings):
    """Each from the variable `IC_<NAME>`."""

    mesh: FilePath = Field(description="YAML file: services, their endpoints, the bounds of calls")
    descriptors: FilePath = Field(description="the contracts' descriptor set, imports included")
    registry: Path = Field(default=Path("registry"), description="folder in which processes register")
    gateway_listen: HostAndPort = Field(default="0.0.0.0:8080", description="where the gateway listens")
    gateway_pages: Path | None = Field(
        default=None,
        description="folder with openapi.json, openapi-all.json and docs.html, for the gateway to answer",
    )
