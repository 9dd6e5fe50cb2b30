"""Connections to the broker, over TLS where its URL says `amqps`."""

from typing import Any, Final

from kombu import Connection

from chassis.store_tls import StoreTls

_TLS_SCHEME: Final = "amqps://"


def connect_broker(
    amqp_url: str, *, timeout_s: float, tls: StoreTls | None = None, heartbeat_s: int = 0, **options: Any
) -> Connection:
    """Return a connection, made on first use, to the first of the URLs, separated by `;`, that answers.

    `tls` has the certificates for URLs that begin with `amqps`; without it the system's authorities are
    trusted. `options` are those of Kombu's transport.
    """
    return _BrokerConnection(
        amqp_url,
        ssl=(tls or StoreTls()).broker_options() if amqp_url.startswith(_TLS_SCHEME) else False,
        heartbeat=heartbeat_s,
        connect_timeout=timeout_s,
        transport_options={"read_timeout": timeout_s, "write_timeout": timeout_s, **options},
    )


class _BrokerConnection(Connection):  # type: ignore[misc]
    """Checks the certificate of each host for that host's name; Kombu would go on with the first one's."""

    ssl: Any

    def switch(self, conn_str: str) -> None:
        super().switch(conn_str)
        if self.ssl:
            self.ssl = {**self.ssl, "server_hostname": None}
