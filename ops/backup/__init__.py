"""Backups of a cluster: all shards at one time, in a folder that any empty cluster can be made from.

Each shard's documents are copied while it serves. What changes during that is copied in rounds, by a change
stream; the last round reads the state at the backup's time from the server's snapshot. So nothing depends on
the format of the oplog, and documents go to other shards as well as to as many.
"""
