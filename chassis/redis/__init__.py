"""Redis Cluster: the client, and what keeps its state there."""
