"""Rules that no schema holds: each takes a rendered release and returns its violations, one sentence each."""
