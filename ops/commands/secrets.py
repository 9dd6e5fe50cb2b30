"""`ic secrets`: print a first set of Secrets for a release in Kubernetes."""

from typing import Annotated

import typer
import yaml

from ops.errors import OpsError
from ops.release_secrets import make_release_secrets


def register(app: typer.Typer) -> None:
    """Add `ic secrets`."""
    app.command("secrets")(print_secrets)


def print_secrets(
    release: Annotated[
        str, typer.Argument(help="The release's full name: Secrets are RELEASE-auth and so on.")
    ],
    amqp_url: Annotated[
        str, typer.Option(metavar="URL", help="The broker with user and virtual host: amqps://...")
    ] = "",
    trial: Annotated[bool, typer.Option("--trial", help="For the bundled stores and broker.")] = False,
) -> None:
    """Print new Secrets as YAML, for `kubectl apply -f -`. Nothing is stored: each call makes other ones.

    The stores have to know the passwords of `RELEASE-provision` and for Redis; `ic provision` makes the users
    of the services.
    """
    if bool(amqp_url) == trial:
        raise OpsError("give either --amqp-url URL, or --trial for the bundled broker")
    manifests = make_release_secrets(release, amqp_url or None)
    typer.echo(yaml.safe_dump_all(manifests, sort_keys=False), nl=False)
