"""All rules by name."""

from collections.abc import Callable, Iterator
from typing import Final

from verify.chart.manifests import ChartRelease
from verify.chart.rules import environment, fields, grants, istio, network, references, workloads

ChartRule = Callable[[ChartRelease], Iterator[str]]

CHART_RULES: Final[dict[str, ChartRule]] = {
    "names": fields.find_bad_names,
    "labels": fields.find_bad_labels,
    "ports": fields.find_bad_ports,
    "quantities": fields.find_bad_quantities,
    "enumerations": fields.find_bad_enumerations,
    "selectors": references.find_selectors_without_pods,
    "scale targets": references.find_unknown_scale_targets,
    "named ports": references.find_unknown_ports,
    "named objects": references.find_unknown_objects,
    "volumes": references.find_unmounted_volumes,
    "claims": references.find_unknown_claims,
    "canaries": references.find_unknown_canaries,
    "replicas": workloads.find_replicas_beside_scalers,
    "ranges": workloads.find_bad_ranges,
    "graces": workloads.find_short_graces,
    "waits": workloads.find_missing_waits,
    "probes": workloads.find_missing_probes,
    "drains": workloads.find_blocked_drains,
    "rollouts": workloads.find_bad_rollouts,
    "spread": workloads.find_crowded_pods,
    "rights": workloads.find_excess_rights,
    "grants": grants.find_excess_grants,
    "checksums": workloads.find_unrolled_configuration,
    "hooks": workloads.find_unsafe_hooks,
    "edges": network.find_wrong_edges,
    "dependencies": network.find_wrong_outside_edges,
    "entrances": network.find_wrong_entrances,
    "mutual TLS": istio.find_missing_mutual_tls,
    "authorisations": istio.find_wrong_authorisations,
    "hosts": istio.find_unknown_hosts,
    "settings": environment.find_wrong_settings,
}


def find_chart_violations(release: ChartRelease) -> list[str]:
    """Return the violations of a rendered release, each with its rule."""
    return [f"{name}: {problem}" for name, rule in CHART_RULES.items() for problem in rule(release)]
