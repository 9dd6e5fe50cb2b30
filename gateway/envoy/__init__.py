"""The gateway's Envoy: contracts and mesh file as Envoy's resources. Pure functions.

Each file makes dictionaries of one kind of resource; `builder` makes checked messages of them and a snapshot
of those.
"""
