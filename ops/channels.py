"""Channels to the processes of a cluster, by the security that it has."""

from pathlib import Path

import grpc

from chassis.security.mutual_tls import NAME_OVERRIDE_OPTION, MutualTls
from ops.errors import OpsError


def open_channel(address: str, name: str, tls_folder: Path | None) -> grpc.Channel:
    """Return a channel to a process; with a folder over mutual TLS, where its certificate is for `name`.

    Raises OpsError if the files in the folder cannot be used.
    """
    try:
        tls = MutualTls.open(tls_folder)
    except ValueError as error:
        raise OpsError(str(error)) from error
    if tls is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, tls.channel_credentials(), options=((NAME_OVERRIDE_OPTION, name),))
