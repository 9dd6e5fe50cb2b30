"""The shards of a cluster: their content, and adding one."""
