"""Variables that say what processes log, and where they export their traces to."""

import os
from typing import Final

from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK

OTLP_ENDPOINT_VARIABLE: Final = "IC_OTLP_ENDPOINT"
TRACE_SAMPLE_RATIO_VARIABLE: Final = "IC_TRACE_SAMPLE_RATIO"
INHERITED_VARIABLES: Final = (OTLP_ENDPOINT_VARIABLE, TRACE_SAMPLE_RATIO_VARIABLE, "IC_LOG_LEVEL")
"""Variables of the caller that apply to all processes."""


def telemetry_environment(topology: Topology) -> dict[str, str]:
    """Return these variables: the caller's, and without an endpoint of his the stack's own trace store."""
    found = {name: os.environ[name] for name in INHERITED_VARIABLES if os.environ.get(name)}
    if topology.observe:
        found.setdefault(OTLP_ENDPOINT_VARIABLE, f"{LOOPBACK}:{topology.observers.otlp}")
    return found
