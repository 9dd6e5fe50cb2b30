"""The load balancer before the regions as Terraform JSON: who is answered where, and by whom instead.

`python -m gateway.edge.geo_routing` makes it of `regions.yaml`; `geo_routing.tf.json` beside this file is its
committed output, and a test compares the two. Resources are those of `cloudflare/cloudflare`, 5.x:
`cloudflare_load_balancer`, `..._pool`, `..._monitor`, `cloudflare_dns_record`.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.edge.cloudflare import render_terraform
from gateway.envoy.filters import READY_PATH

REGIONS_FILE: Final = Path(__file__).with_name("regions.yaml")
COMMITTED_FILE: Final = Path(__file__).with_suffix(".tf.json")
WORLD_REGIONS: Final = frozenset(
    {"WNAM", "ENAM", "NSAM", "SSAM", "WEU", "EEU", "ME", "NAF", "SAF", "SAS", "SEAS", "NEAS", "OC"}
)
"""Cloudflare's regions of the world."""
CHECK_INTERVAL_S: Final = 15
CHECK_TIMEOUT_S: Final = 5
CHECK_RETRIES: Final = 2
_RegionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Region(_Row):
    """One of our regions."""

    check_from: tuple[str, ...] = Field(min_length=1)


class RoutingTable(_Row):
    """The content of `regions.yaml`."""

    regions: dict[_RegionName, Region] = Field(min_length=1)
    fallback: str
    preferences: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _require_known_names(self) -> Self:
        if missing := WORLD_REGIONS - set(self.preferences):
            raise ValueError(f"preferences lack {', '.join(sorted(missing))}")
        checked = {code for region in self.regions.values() for code in region.check_from}
        if unknown := (set(self.preferences) | checked) - WORLD_REGIONS:
            raise ValueError(f"{', '.join(sorted(unknown))}: no region of the world; see WORLD_REGIONS")
        for place, order in (("fallback", (self.fallback,)), *self.preferences.items()):
            if unknown := set(order) - set(self.regions):
                raise ValueError(f"{place} names {', '.join(sorted(unknown))}, which is none of the regions")
            if place != "fallback" and sorted(order) != sorted(self.regions):
                raise ValueError(f"{place} has to name each region once")
        return self


def load_routing_table(path: Path = REGIONS_FILE) -> RoutingTable:
    """Return the table of a file. Raises ValueError that names the field."""
    try:
        return RoutingTable.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as errors:
        first = errors.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path.name}: {f'{where}: ' if where else ''}{first['msg']}") from errors


def build_terraform(table: RoutingTable) -> dict[str, Any]:
    """Return the whole Terraform file; addresses, account and zone are its variables."""
    return {
        "terraform": {
            "required_providers": {"cloudflare": {"source": "cloudflare/cloudflare", "version": "~> 5.0"}}
        },
        "variable": {
            "account_id": {"type": "string", "description": "The account that the pools belong to."},
            "load_balancer_zone_id": {"type": "string", "description": "The zone of the host name."},
            "host": {"type": "string", "description": "The gateway's host name, as API users know it."},
            "origins": {
                "type": "map(list(string))",
                "description": "By region the addresses of its gateways' own load balancers.",
            },
            "disabled_regions": {
                "type": "set(string)",
                "default": [],
                "description": "Regions that get no requests, whether they are ready or not.",
            },
        },
        "resource": {
            "cloudflare_load_balancer_monitor": {"ready": _monitor()},
            "cloudflare_load_balancer_pool": {
                _resource_name(name): _pool(name, region) for name, region in table.regions.items()
            },
            "cloudflare_load_balancer": {"gateway": _load_balancer(table)},
            "cloudflare_dns_record": {_resource_name(name): _dns_record(name) for name in table.regions},
        },
    }


def _monitor() -> dict[str, Any]:
    return {
        "account_id": "${var.account_id}",
        "type": "https",
        "method": "GET",
        "path": READY_PATH,
        "expected_codes": "200",
        "header": {"Host": ["${var.host}"]},
        "interval": CHECK_INTERVAL_S,
        "timeout": CHECK_TIMEOUT_S,
        "retries": CHECK_RETRIES,
        "follow_redirects": False,
    }


def _pool(name: str, region: Region) -> dict[str, Any]:
    return {
        "account_id": "${var.account_id}",
        "name": f"internshipconnect-{name}",
        "enabled": f'${{!contains(var.disabled_regions, "{name}")}}',
        "minimum_origins": 1,
        "monitor": "${cloudflare_load_balancer_monitor.ready.id}",
        "check_regions": list(region.check_from),
        "origins": (
            f'${{[for i, address in var.origins["{name}"] : '
            f'{{name = "{name}-${{i + 1}}", address = address, enabled = true, weight = 1}}]}}'
        ),
    }


def _load_balancer(table: RoutingTable) -> dict[str, Any]:
    order = [table.fallback, *(name for name in table.regions if name != table.fallback)]
    return {
        "zone_id": "${var.load_balancer_zone_id}",
        "name": "${var.host}",
        "proxied": True,
        "steering_policy": "geo",
        # Tokens and IDs say all that a region has to know of a caller.
        "session_affinity": "none",
        "adaptive_routing": {"failover_across_pools": True},
        "fallback_pool": _pool_id(table.fallback),
        "default_pools": [_pool_id(name) for name in order],
        "region_pools": {
            code: [_pool_id(name) for name in names] for code, names in sorted(table.preferences.items())
        },
    }


def _dns_record(name: str) -> dict[str, Any]:
    """Return the record of a region's own host name, by which operators ask one region."""
    return {
        "zone_id": "${var.load_balancer_zone_id}",
        "name": f"{name}.${{var.host}}",
        "type": f'${{can(regex("^[0-9.]+$", var.origins["{name}"][0])) ? "A" : "CNAME"}}',
        "content": f'${{var.origins["{name}"][0]}}',
        "proxied": True,
        "ttl": 1,
    }


def _pool_id(name: str) -> str:
    return f"${{cloudflare_load_balancer_pool.{_resource_name(name)}.id}}"


def _resource_name(region: str) -> str:
    return region.replace("-", "_")


if __name__ == "__main__":
    sys.stdout.buffer.write(render_terraform(build_terraform(load_routing_table())))
