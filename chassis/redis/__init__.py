"""Redis Cluster: the client, and the modules that store state there."""
