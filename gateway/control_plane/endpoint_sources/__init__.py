"""Sources of endpoints: one port, `EndpointSource`, and its adapters."""

from gateway.xds.endpoints import Endpoint, EndpointsByService, EndpointSource

__all__ = ["Endpoint", "EndpointSource", "EndpointsByService"]
