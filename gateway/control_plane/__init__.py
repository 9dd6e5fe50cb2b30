"""The control plane: tells Envoy and the services' own channels, over xDS, where calls go and how.

`control` gathers endpoints, mesh file and contracts and has snapshots built; `hub` holds them; `stream`
is the protocol of one connection, without I/O; `ads` and `csds` put it on the wire.
"""
