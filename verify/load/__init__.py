"""Load tests: Artillery, JMeter, ghz and a gRPC load of our own with one profile, judged alike."""
