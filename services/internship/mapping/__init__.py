"""Conversions between messages and the domain."""
