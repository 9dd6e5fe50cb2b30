"""Benchmarks: the throughput of the running stack, beside that of the bare libraries under it."""
