"""Events: what this service tells (`outgoing`) and what it reacts to (`incoming`, by its `queues`)."""

from services.application.events.queues import QUEUES

__all__ = ["QUEUES"]
