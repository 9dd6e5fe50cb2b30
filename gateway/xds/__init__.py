"""Resources and snapshots of xDS, for all node groups."""
