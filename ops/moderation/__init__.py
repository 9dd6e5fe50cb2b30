"""Moderators' calls to a running stack: what `ic moderate`, the demo and the tests decide by."""

from ops.moderation.client import ModerationClient

__all__ = ["ModerationClient"]
