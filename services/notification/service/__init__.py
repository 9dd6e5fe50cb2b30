"""The use cases: one class a capability."""
