"""Search: words, queries, the order of hits and their presentation; no I/O."""
