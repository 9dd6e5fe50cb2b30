"""The queues of this service and the events that reach them."""

from typing import Final

from chassis.messaging import WorkQueue
from internshipconnect.events.v1 import events_pb2 as events

VIEWS: Final = WorkQueue(
    "application-views",
    (events.ApplicationSubmitted, events.ApplicationMoved, events.RejectionDisclosed),
)
ACCEPTANCES: Final = WorkQueue("application-acceptances", (events.AcceptanceStarted,))
LISTING_ENDS: Final = WorkQueue("application-listing-ends", (events.InternshipStateChanged,))

QUEUES: Final = (VIEWS, ACCEPTANCES, LISTING_ENDS)
