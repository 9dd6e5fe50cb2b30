"""Figures from events that arrive in any order, now and then twice.

A `…Track` holds the counted facts of one application or one listing: an event is merged into it (union,
newest version, earliest answer), so that order and repeats do not matter. A track's contribution to the
figures is a function of the track; an event changes the figures by the difference of the contribution.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

STAGES: Final = (
    "SUBMITTED",
    "IN_REVIEW",
    "SHORTLISTED",
    "ASSESSMENT",
    "INTERVIEW",
    "WAITLISTED",
    "OFFERED",
    "HIRED",
    "REJECTED",
    "WITHDRAWN",
    "CLOSED",
)
"""An application's states, in the order of the pipeline."""

OFFER_ANSWERS: Final = frozenset({"HIRED", "WITHDRAWN"})
"""The states that answer an offer; an offer that expires or is taken back was not answered."""

DELETED_STATE: Final = "DELETED"
"""The state of a deleted draft: it does not count any more, and a late event does not restore it."""

FigureCounts = Mapping[str, int]
"""Figures by name; a difference of figures has the same shape."""

_BUCKET_GROWTH: Final = 1.04


@dataclass(frozen=True, kw_only=True)
class ApplicationEvent:
    """The facts of an event about one application: it is in `state` since `time`, as its `version`.

    `answered_offer` is set when the student answered an offer by this move (a state of `OFFER_ANSWERS`),
    `response_s` when it is the company's first response: seconds since the submission.
    """

    application_id: str
    internship_id: str
    company_id: str
    state: str
    version: int
    time: datetime
    answered_offer: str = ""
    response_s: int | None = None


ApplicationHistory = Sequence[ApplicationEvent]
"""All events of one application, at least one."""


@dataclass(frozen=True, kw_only=True)
class ApplicationTrack:
    """The counted facts of one application: `reached` are all states that it has ever been in."""

    id: str
    internship_id: str
    reached: frozenset[str] = frozenset()
    current: str = ""
    version: int = 0
    offer_answers: frozenset[str] = frozenset()
    response_s: int | None = None

    def with_event(self, event: ApplicationEvent) -> "ApplicationTrack":
        """Return the track with the event merged in."""
        newer = event.version > self.version
        answers = {event.answered_offer} - {""}
        return replace(
            self,
            reached=self.reached | {event.state},
            current=event.state if newer else self.current,
            version=max(event.version, self.version),
            offer_answers=self.offer_answers | answers,
            response_s=_earliest(self.response_s, event.response_s),
        )

    @property
    def figures(self) -> FigureCounts:
        """Return the application's contribution to the figures of its listing and its company."""
        figures = Counter({reached_figure(stage): 1 for stage in self.reached})
        figures[current_figure(self.current)] += 1
        figures[APPLICATIONS_FIGURE] += 1
        figures.update({offer_answer_figure(answer): 1 for answer in self.offer_answers})
        if self.response_s is not None:
            figures[response_figure(histogram_bucket(self.response_s))] += 1
        return figures


def build_track(history: ApplicationHistory) -> ApplicationTrack:
    """Return the track of all events of one application."""
    track = ApplicationTrack(id=history[0].application_id, internship_id=history[0].internship_id)
    for event in history:
        track = track.with_event(event)
    return track


@dataclass(frozen=True, kw_only=True)
class ListingEvent:
    """The facts of an event about one listing: it is in `state`, as its `version`."""

    internship_id: str
    company_id: str
    state: str
    version: int
    time: datetime


@dataclass(frozen=True, kw_only=True)
class ViewsEvent:
    """Further readers of one listing."""

    internship_id: str
    company_id: str
    views: int
    time: datetime


FigureEvent = ApplicationEvent | ListingEvent | ViewsEvent


@dataclass(frozen=True, kw_only=True)
class ListingTrack:
    """The counted facts of one listing."""

    state: str = ""
    version: int = 0

    def with_event(self, event: ListingEvent) -> "ListingTrack":
        """Return the track with the event merged in."""
        return (
            ListingTrack(state=event.state, version=event.version) if event.version > self.version else self
        )

    @property
    def figures(self) -> FigureCounts:
        """Return the listing's contribution to its company's figures; none if unversioned or deleted."""
        if not self.version or self.state == DELETED_STATE:
            return {}
        return {TOTAL_INTERNSHIPS_FIGURE: 1, OPEN_INTERNSHIPS_FIGURE: int(self.state == "OPEN")}


@dataclass(frozen=True, kw_only=True)
class RecruitingFigures:
    """The figures of one listing or of one company; a figure without an event is absent."""

    id: str
    company_id: str
    as_of_time: datetime
    views: int = 0
    applications: int = 0
    total_internships: int = 0
    open_internships: int = 0
    reached: Mapping[str, int] = field(default_factory=dict)
    current: Mapping[str, int] = field(default_factory=dict)
    offer_answers: Mapping[str, int] = field(default_factory=dict)
    responses: Mapping[str, int] = field(default_factory=dict)


APPLICATIONS_FIGURE: Final = "applications"
VIEWS_FIGURE: Final = "views"
TOTAL_INTERNSHIPS_FIGURE: Final = "total_internships"
OPEN_INTERNSHIPS_FIGURE: Final = "open_internships"


def reached_figure(stage: str) -> str:
    """Return the figure of applications that have ever been in a stage."""
    return f"reached.{stage}"


def current_figure(stage: str) -> str:
    """Return the figure of applications that are in a stage."""
    return f"current.{stage}"


def offer_answer_figure(answer: str) -> str:
    """Return the figure of applications whose student gave this answer to an offer."""
    return f"offer_answers.{answer}"


def response_figure(bucket: int) -> str:
    """Return the figure of first responses in a bucket of the histogram."""
    return f"responses.{bucket}"


def figure_changes(before: FigureCounts, after: FigureCounts) -> FigureCounts:
    """Return the difference from `before` to `after`; unchanged figures are left out."""
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
    return {name: change for name, change in sorted(changes.items()) if change}


def histogram_bucket(seconds: int) -> int:
    """Return the histogram's bucket: each is 4 % wider than the one before, so a median is exact to 2 %."""
    return math.floor(math.log(max(seconds, 1), _BUCKET_GROWTH))


def histogram_median(responses: Mapping[int, int]) -> int | None:
    """Return the median in seconds (the lower one of an even count), exact to 2 %; None without any."""
    middle = (sum(responses.values()) + 1) // 2
    for bucket in sorted(responses):
        middle -= responses[bucket]
        if middle <= 0 < sum(responses.values()):
            return round(math.pow(_BUCKET_GROWTH, bucket + 0.5))
    return None


def acceptance_rate(offer_answers: FigureCounts) -> float | None:
    """Return accepted offers divided by answered offers, 0 to 1; None before the first answer."""
    answered = sum(offer_answers.values())
    return offer_answers.get("HIRED", 0) / answered if answered else None


def _earliest(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
