"""A first set of the Secrets that a release of the Helm chart reads."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ops.secret_values import new_key, new_password
from ops.service_keys import new_service_key, public_jwks
from ops.service_names import OPERATOR_SERVICE, SERVICES

ADMIN_USER: Final = "admin"
BROKER_USER: Final = "ic"


def make_release_secrets(release: str, amqp_url: str | None) -> list[dict[str, Any]]:
    """Return the manifests of new Secrets, named after the release's own name.

    Without the broker's URL it is that of the bundled one, and the bundled stores get their Secret.
    """
    service_keys = {service: new_service_key() for service in (*SERVICES, OPERATOR_SERVICE)}
    jwks, redis_password = json.dumps(public_jwks(service_keys)), new_password()
    rabbit_password, admin_password = new_password(), new_password()
    url = amqp_url or f"amqp://{BROKER_USER}:{rabbit_password}@{release}-rabbitmq:5672/{BROKER_USER}"
    secrets: dict[str, Mapping[str, str]] = {
        service: {
            "mongo-password": new_password(),
            "redis-password": redis_password,
            "amqp-url": url,
            "page-token-key": new_key(),
            "data-key": new_key(),
            "service-key.pem": service_keys[service],
            "service-jwks.json": jwks,
        }
        for service in SERVICES
    }
    secrets["rate-limiter"] = {"redis-password": redis_password}
    secrets["provision"] = {
        "mongo-admin-user": ADMIN_USER,
        "mongo-admin-password": admin_password,
        "amqp-url": url,
    }
    secrets["operator"] = {f"{OPERATOR_SERVICE}-key.pem": service_keys[OPERATOR_SERVICE]}
    if amqp_url is None:
        secrets["stores"] = {
            "mongo-admin-password": admin_password,
            "mongo-key": new_key(),
            "redis-password": redis_password,
            "rabbit-password": rabbit_password,
        }
    return [_manifest(f"{release}-{name}", values) for name, values in secrets.items()]


def _manifest(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "internshipconnect"}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata,
        "stringData": dict(values),
    }
