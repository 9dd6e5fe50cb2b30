"""Where endpoints come from: one port, `EndpointSource`, and its adapters."""

from gateway.control_plane.endpoints.port import Endpoint, Endpoints, EndpointSource

__all__ = ["Endpoint", "EndpointSource", "Endpoints"]
