"""The use cases of the application service, one class each."""
