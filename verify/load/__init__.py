"""Load tests: runs Artillery, JMeter, ghz and a gRPC load of our own with one profile, and judges them alike."""
