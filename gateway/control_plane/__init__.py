"""The control plane: configures Envoy and the services' own channels over xDS.

`reconciler` builds snapshots of endpoints, mesh file and contracts; `snapshot_cache` holds them; `stream`
is the protocol of one connection, without I/O; `server` and `csds` serve it over gRPC.
"""
