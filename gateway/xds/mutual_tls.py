"""Mutual TLS in snapshots: what Envoy and gRPC show to an upstream, and the name that they expect of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from chassis.tls_files import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE
from gateway import envoy_types
from gateway.envoy_types import typed_extension
from gateway.xds.mesh import MeshTls

CERTIFICATE_SECRET: Final = "mesh-certificate"  # noqa: S105 - names of resources
AUTHORITY_SECRET: Final = "mesh-authority"  # noqa: S105
CERTIFICATE_PROVIDER: Final = "mesh"
"""The name in gRPC's bootstrap of what reads the files."""
REFRESH_INTERVAL: Final = "10s"
RATE_LIMITER_NAME: Final = "rate-limiter"
_TLS_SOCKET: Final = "envoy.transport_sockets.tls"


def build_mesh_secrets(tls: MeshTls) -> list[dict[str, Any]]:
    """Return Envoy's own certificate and the authority; it reads the files again when they are replaced."""
    watched = {"path": str(tls.folder)}
    return [
        {
            "name": CERTIFICATE_SECRET,
            "tls_certificate": {
                "certificate_chain": {"filename": str(tls.folder / CERTIFICATE_FILE)},
                "private_key": {"filename": str(tls.folder / KEY_FILE)},
                "watched_directory": watched,
            },
        },
        {
            "name": AUTHORITY_SECRET,
            "validation_context": {
                "trusted_ca": {"filename": str(tls.folder / AUTHORITY_FILE)},
                "watched_directory": watched,
            },
        },
    ]


def render_mesh_secrets(tls: MeshTls) -> dict[str, Any]:
    """Return the same as files by their names, for Envoy before it knows its control plane."""
    return {
        f"{secret['name']}.json": {"resources": [{"@type": envoy_types.SECRET, **secret}]}
        for secret in build_mesh_secrets(tls)
    }


def secret_file_source(folder: Path, secret: str) -> dict[str, Any]:
    """Return the source of a secret that is such a file in a folder."""
    path = folder / f"{secret}.json"
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def envoy_transport_socket(name: str, source_of: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return the field of a cluster of Envoy's whose certificate is for `name`; it names its secrets."""
    expected = {"san_type": "DNS", "matcher": {"exact": name}}
    socket = typed_extension(
        _TLS_SOCKET,
        envoy_types.UPSTREAM_TLS,
        sni=name,
        common_tls_context={
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificate_sds_secret_configs": [_secret(CERTIFICATE_SECRET, source_of)],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [expected]},
                "validation_context_sds_secret_config": _secret(AUTHORITY_SECRET, source_of),
            },
        },
    )
    return {"transport_socket": socket}


def _secret(name: str, source_of: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "sds_config": source_of(name)}


def grpc_transport_socket(name: str) -> dict[str, Any]:
    """Return the field of a cluster of gRPC's whose certificate is for `name`."""
    provider = {"instance_name": CERTIFICATE_PROVIDER}
    socket = typed_extension(
        _TLS_SOCKET,
        envoy_types.UPSTREAM_TLS,
        common_tls_context={
            "tls_certificate_provider_instance": provider,
            "validation_context": {
                "ca_certificate_provider_instance": provider,
                # gRPC knows this older field.
                "match_subject_alt_names": [{"exact": name}],
            },
        },
    )
    return {"transport_socket": socket}


def grpc_bootstrap_fields(folder: Path) -> dict[str, Any]:
    """Return the fields of gRPC's bootstrap by which its channels find the files of a folder."""
    provider = {"plugin_name": "file_watcher", "config": _watched_files(folder)}
    return {"certificate_providers": {CERTIFICATE_PROVIDER: provider}}


def grpc_control_plane_credentials(folder: Path) -> list[dict[str, Any]]:
    """Return `channel_creds` of the control plane in gRPC's bootstrap."""
    return [{"type": "tls", "config": _watched_files(folder)}]


def _watched_files(folder: Path) -> dict[str, Any]:
    return {
        "certificate_file": str(folder / CERTIFICATE_FILE),
        "private_key_file": str(folder / KEY_FILE),
        "ca_certificate_file": str(folder / AUTHORITY_FILE),
        "refresh_interval": REFRESH_INTERVAL,
    }
