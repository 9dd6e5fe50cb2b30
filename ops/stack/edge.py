"""The edge of a stack: Envoy in front, and the mailbox that takes the mails."""

import json
import sys
from typing import Any

from ops.stack import binaries
from ops.stack.probes import http_ready
from ops.stack.process import Process, Stage
from ops.stack.topology import LOOPBACK, Topology


def write_config(topology: Topology) -> None:
    """Writes Envoy's configuration."""
    (topology.etc / "envoy.json").write_text(json.dumps(_bootstrap(topology), indent=2))


def mailbox(topology: Topology) -> Process:
    """The mailbox, which starts with the stores."""
    ports = topology.mailbox
    options = ("--smtp", str(ports.smtp), "--http", str(ports.http))
    return Process(
        name="mailbox",
        stage=Stage.STORES,
        command=(sys.executable, "-m", "ops.mailbox", *options, "--data", str(topology.data / "mailbox")),
        ports={"smtp": ports.smtp, "http": ports.http},
        probe=lambda: http_ready(ports.http, "/health"),
    )


def gateway(topology: Topology) -> Process:
    """Envoy, in front of everything."""
    config = str(topology.etc / "envoy.json")
    command = (str(binaries.envoy_proxy()), "--concurrency", "1", "--disable-hot-restart", "-c", config)
    return Process(
        name="envoy",
        stage=Stage.EDGE,
        command=(*command, "--log-level", "warning"),
        ports={"gateway": topology.gateway, "admin": topology.gateway_admin},
        probe=lambda: http_ready(topology.gateway_admin, "/ready"),
    )


def _bootstrap(topology: Topology) -> dict[str, Any]:
    """Admin interface and an answer on the gateway's port, as long as no route table is built."""
    return {
        "admin": {"address": _address(topology.gateway_admin)},
        "static_resources": {
            "listeners": [
                {
                    "name": "gateway",
                    "address": _address(topology.gateway),
                    "filter_chains": [{"filters": [_http_manager()]}],
                }
            ]
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _http_manager() -> dict[str, Any]:
    extensions = "type.googleapis.com/envoy.extensions.filters"
    return {
        "name": "http",
        "typed_config": {
            "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [
                            {
                                "match": {"path": "/health"},
                                "direct_response": {
                                    "status": 200,
                                    "body": {"inline_string": '{"status": "ok"}'},
                                },
                            }
                        ],
                    }
                ]
            },
            "http_filters": [
                {
                    "name": "router",
                    "typed_config": {"@type": f"{extensions}.http.router.v3.Router"},
                }
            ],
        },
    }
