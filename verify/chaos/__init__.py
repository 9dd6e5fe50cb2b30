"""A suite that proves the promise: people at work, faults among them, and a checker that looks for losses."""
