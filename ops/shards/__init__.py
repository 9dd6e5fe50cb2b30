"""The shards of a cluster: what they hold, and how one is added."""
