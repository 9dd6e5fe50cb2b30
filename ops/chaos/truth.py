"""What the stores hold in the end, and what of it contradicts the promise."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import MongoClient

from ops.chaos.ledger import Finding, Ledger
from ops.stack import mongo
from ops.stack.credentials import Credentials
from ops.stack.topology import Topology
from services.application.domain.model import ENDED, ENDING, Actor, State
from services.application.domain.rules import RULES

Document = Mapping[str, Any]

SETTLED_WITHIN_S: Final = 90.0
LOOK_AGAIN_S: Final = 1.0
_TABLE: Final = frozenset((rule.actor, rule.source, rule.target) for rule in RULES)
_TOOK_AN_OPENING: Final = (State.HIRED, State.OFFERED)
_ENDED_LISTINGS: Final = frozenset({"FILLED", "CLOSED", "ARCHIVED"})


@dataclass(frozen=True)
class Truth:
    """The records of a run's listings, by ID; `figures` is what analytics shows of each listing."""

    listings: Mapping[str, Document]
    applications: Mapping[str, Document]
    applicants: Mapping[str, Document]
    figures: Mapping[str, Document]

    @classmethod
    def read(cls, topology: Topology, listing_ids: Sequence[str]) -> "Truth":
        """Reads it from all shards, as an administrator."""
        of_listing = {"internship_id": {"$in": list(listing_ids)}}
        by_id = {"_id": {"$in": list(listing_ids)}}
        return cls(
            read(topology, "internship", "listings", by_id),
            read(topology, "application", "applications", of_listing),
            read(topology, "application", "applicants", of_listing),
            read(topology, "analytics", "listing_funnels", by_id),
        )

    def of_listing(self, listing_id: str) -> list[Document]:
        """The applications for one listing."""
        return [each for each in self.applications.values() if each["internship_id"] == listing_id]


def contradictions(ledger: Ledger, truth: Truth) -> list[Finding]:
    """Everything that is wrong now and stays wrong, whatever events are still on their way."""
    return [
        *_lost(ledger, truth),
        *_doubled(ledger, truth),
        *_illegal(truth.applications.values()),
        *_oversold(truth),
    ]


def unsettled(truth: Truth) -> list[Finding]:
    """What is derived and does not agree with its source: wrong only if it stays so."""
    return [*_not_shown(truth), *_miscounted(truth), *_left_waiting(truth)]


def await_settled(topology: Topology, listing_ids: Sequence[str]) -> tuple[Truth, list[Finding]]:
    """The truth once all that is derived agrees with it, or what still does not after a minute and a half."""
    until = time.monotonic() + SETTLED_WITHIN_S
    while True:
        truth = Truth.read(topology, listing_ids)
        left = unsettled(truth)
        if not left or time.monotonic() > until:
            return truth, left
        time.sleep(LOOK_AGAIN_S)


def _lost(ledger: Ledger, truth: Truth) -> Iterator[Finding]:
    for deed in ledger.acknowledged("apply"):
        stored = truth.applications.get(deed.subject)
        if stored is None:
            yield Finding("an acknowledged application is gone", deed.subject)
        elif (stored["student_id"], stored["internship_id"]) != (deed.who, deed.detail):
            yield Finding("an application is not the one that was acknowledged", deed.subject)
    for deed in ledger.acknowledged("publish"):
        if deed.subject not in truth.listings:
            yield Finding("a published listing is gone", deed.subject)
    yield from _lost_moves(ledger, truth)


def _lost_moves(ledger: Ledger, truth: Truth) -> Iterator[Finding]:
    ends_in = {"accept": "HIRED", "decline": "WITHDRAWN", "withdraw": "WITHDRAWN"}
    wanted: Counter[tuple[str, str]] = Counter()
    for what in ("move", *ends_in):
        for deed in ledger.acknowledged(what):
            wanted[deed.subject, ends_in.get(what, deed.detail)] += 1
    for (id_, target), count in wanted.items():
        stored = truth.applications.get(id_)
        made = sum(entry["target"] == target for entry in stored["history"]) if stored else 0
        if made < count:
            yield Finding(f"{count} moves to {target} were acknowledged, {made} are in the history", id_)


def _doubled(ledger: Ledger, truth: Truth) -> Iterator[Finding]:
    stored: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for each in truth.applications.values():
        stored[each["student_id"], each["internship_id"]].append(each)
    attempts = ledger.asked_for()
    for pair, found in stored.items():
        if sum(State(each["state"]) not in ENDED for each in found) > 1:
            yield Finding("two live applications of one student for one listing", found[0]["_id"])
        may_be = [deed for deed in attempts[pair] if not deed.refused]
        if len(found) > len(may_be):
            yield Finding(f"{len(found)} applications came of {len(may_be)} attempts", found[0]["_id"])


def _illegal(applications: Iterable[Document]) -> Iterator[Finding]:
    for each in applications:
        before = state = State.DRAFT
        for entry in each["history"]:
            actor, source, target = Actor(entry["actor"]), State(entry["source"]), State(entry["target"])
            if source is not state:
                yield Finding(f"its history goes on from {source} where it had come to {state}", each["_id"])
            back = target is before and (actor, source, None) in _TABLE
            if not back and (actor, source, target) not in _TABLE:
                yield Finding(f"{actor} may not move from {source} to {target}", each["_id"])
            before, state = source, target
        if state != each["state"]:
            yield Finding(f"it is {each['state']}, and its history ends in {state}", each["_id"])


def _oversold(truth: Truth) -> Iterator[Finding]:
    for id_, each in truth.listings.items():
        hired = sum(State(one["state"]) in _TOOK_AN_OPENING for one in truth.of_listing(id_))
        openings = each["posting"]["openings"]
        if hired > openings:
            yield Finding(f"{hired} were hired or offered a place for {openings} openings", id_)


def _not_shown(truth: Truth) -> Iterator[Finding]:
    for id_ in truth.applications.keys() ^ truth.applicants.keys():
        yield Finding("the company's list and the applications do not agree", id_)
    for id_ in truth.applications.keys() & truth.applicants.keys():
        if truth.applicants[id_]["state"] != truth.applications[id_]["state"]:
            yield Finding("the company's list shows another state", id_)


def _miscounted(truth: Truth) -> Iterator[Finding]:
    for id_, each in truth.listings.items():
        own, shown = truth.of_listing(id_), truth.figures.get(id_, {})
        if shown.get("applications", 0) != len(own):
            yield Finding(f"the funnel counts {shown.get('applications', 0)} applications of {len(own)}", id_)
        now = Counter(one["state"] for one in own)
        current = {state: count for state, count in shown.get("current", {}).items() if count}
        if current != dict(now):
            yield Finding(f"the funnel shows {current}, and it is {dict(now)}", id_)
        ever = Counter(state for one in own for state in {entry["target"] for entry in one["history"]})
        reached = {state: count for state, count in shown.get("reached", {}).items() if count}
        if reached != dict(ever):
            yield Finding(f"the funnel shows {reached} as ever reached, and it is {dict(ever)}", id_)
        hired = now["HIRED"]
        if each.get("hires", 0) != hired:
            yield Finding(f"{each.get('hires', 0)} openings are taken by {hired} hires", id_)
        offered = now["OFFERED"]
        if each.get("offers", 0) != offered:
            yield Finding(f"{each.get('offers', 0)} openings are kept for {offered} offers", id_)


def _left_waiting(truth: Truth) -> Iterator[Finding]:
    for id_, each in truth.listings.items():
        for one in truth.of_listing(id_) if each["state"] in _ENDED_LISTINGS else ():
            if State(one["state"]) in ENDING:
                yield Finding(f"it is {one['state']} and its listing is {each['state']}", one["_id"])
            if one.get("offering") is not None:
                yield Finding("an offer is still being made", one["_id"])


def read(topology: Topology, service: str, collection: str, query: Document) -> dict[str, Document]:
    """Documents of a service's collection by ID, from all shards, as an administrator."""
    found: dict[str, Document] = {}
    credentials = Credentials.of(topology)
    for shard in topology.shards:
        with MongoClient[dict[str, Any]](mongo.admin_uri(shard, credentials)) as client:
            rows = client[mongo.database_of(service)][collection].find(query)
            found |= {row["_id"]: row for row in rows}
    return found
