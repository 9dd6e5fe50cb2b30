"""The services by name, and the identity of the operator's tools."""

from typing import Final

SERVICES: Final = ("auth", "user", "internship", "application", "notification", "analytics")
OPERATOR_SERVICE: Final = "ops"
"""The name under which the operator's tools call the services."""


def service_database(service: str) -> str:
    """Return the name of the database that a service owns on every shard."""
    return f"ic_{service}"
