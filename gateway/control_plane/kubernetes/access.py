"""Where the Kubernetes API is, and the credentials for it: those of a pod's service account."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from chassis.settings import MisconfiguredError

SERVICE_ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class KubernetesAccess:
    """The API's URL, and the folder with the files `token`, `ca.crt` and `namespace`.

    Files are read for each request, as the kubelet replaces the token long before it expires.
    """

    url: str
    folder: Path

    @classmethod
    def find(cls, url: str, folder: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Return the access by `url`; where that is empty, that of the pod which this process runs in.

        Raises MisconfiguredError outside of a cluster.
        """
        if url:
            return cls(url.rstrip("/"), folder)
        variables = os.environ if environment is None else environment
        host, port = variables.get("KUBERNETES_SERVICE_HOST"), variables.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise MisconfiguredError(
                ["the mesh names `kubernetes`, and this process runs in no cluster: set IC_KUBERNETES_API"]
            )
        return cls(f"https://{f'[{host}]' if ':' in host else host}:{port}", folder)

    @classmethod
    def of_own_pod(cls) -> Self:
        """Return the access of the pod that this process is in. Raise MisconfiguredError outside of one."""
        return cls.find("", SERVICE_ACCOUNT_FOLDER)

    def read_token(self) -> str | None:
        """Return the token of the service account; None without one, as behind `kubectl proxy`."""
        return self._read("token")

    def read_namespace(self) -> str:
        """Return the namespace of the pod. Raise MisconfiguredError outside of one."""
        found = self._read("namespace")
        if found is None:
            raise MisconfiguredError(
                [f"there is no {self.folder}/namespace: give `namespace` beside `service` in the mesh file"]
            )
        return found

    def tls_context(self) -> ssl.SSLContext | bool:
        """Return the context that trusts the cluster's certificate authority, or all public ones."""
        bundle = self.folder / "ca.crt"
        return ssl.create_default_context(cafile=str(bundle)) if bundle.exists() else True

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text().strip() or None
        except FileNotFoundError:
            return None
