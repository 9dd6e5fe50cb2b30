"""The gateway's Envoy: contracts and mesh file as Envoy's resources. Pure functions.

Each file makes dictionaries of one kind of resource; `snapshot_builder` makes checked messages and a snapshot
of them.
"""
