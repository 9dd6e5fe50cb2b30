"""The events of this service, made from an application before and after a change."""
