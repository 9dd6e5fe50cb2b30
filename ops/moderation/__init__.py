"""Moderators' calls to a running stack, for `ic moderate`, the demo and the tests."""

from ops.moderation.client import ModerationClient

__all__ = ["ModerationClient"]
