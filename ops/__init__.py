"""The operator's tools for any cluster, and the command `ic`."""
