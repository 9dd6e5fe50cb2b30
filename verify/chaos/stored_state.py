"""The final content of the stores, and its contradictions to the log of operations."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import MongoClient

from devstack import mongo
from devstack.credentials import Credentials
from devstack.topology import Topology
from ops.service_names import service_database
from ops.waiting import wait_until
from services.application.domain.model import (
    ENDED_STATES,
    UNDECIDED_STATES,
    ApplicationActorKind,
    ApplicationState,
)
from services.application.domain.transitions import APPLICATION_TRANSITIONS
from verify.chaos.operation_log import InvariantViolation, OperationLog

Document = Mapping[str, Any]

SETTLE_TIMEOUT_S: Final = 90.0
POLL_INTERVAL_S: Final = 1.0
_ALLOWED_MOVES: Final = frozenset((rule.actor, rule.source, rule.target) for rule in APPLICATION_TRANSITIONS)
_OPENING_STATES: Final = (ApplicationState.HIRED, ApplicationState.OFFERED)
_ENDED_LISTINGS: Final = frozenset({"FILLED", "CLOSED", "ARCHIVED"})


@dataclass(frozen=True)
class StoredState:
    """The records of a run's listings, by ID; `figures` are analytics' figures of each listing."""

    listings: Mapping[str, Document]
    applications: Mapping[str, Document]
    applicants: Mapping[str, Document]
    figures: Mapping[str, Document]

    @classmethod
    def read(cls, topology: Topology, listing_ids: Sequence[str]) -> "StoredState":
        """Read the state from all shards, as an administrator."""
        applications_of = {"internship_id": {"$in": list(listing_ids)}}
        by_id = {"_id": {"$in": list(listing_ids)}}
        return cls(
            read_documents(topology, "internship", "listings", by_id),
            read_documents(topology, "application", "applications", applications_of),
            read_documents(topology, "application", "applicants", applications_of),
            read_documents(topology, "analytics", "listing_funnels", by_id),
        )

    def applications_of(self, listing_id: str) -> list[Document]:
        """Return the applications for one listing."""
        return [each for each in self.applications.values() if each["internship_id"] == listing_id]


def find_contradictions(operation_log: OperationLog, stored_state: StoredState) -> list[InvariantViolation]:
    """Return contradictions that no event in progress can resolve."""
    return [
        *operation_log.find_other_answers(),
        *_find_lost(operation_log, stored_state),
        *_find_duplicates(operation_log, stored_state),
        *_find_illegal_moves(stored_state.applications.values()),
        *_find_oversold(stored_state),
    ]


def find_unsettled(stored_state: StoredState) -> list[InvariantViolation]:
    """Return derived data that differs from its source, which is wrong only if it stays so."""
    return [*_find_hidden(stored_state), *_find_miscounted(stored_state), *_find_left_waiting(stored_state)]


def wait_until_settled(
    topology: Topology, listing_ids: Sequence[str]
) -> tuple[StoredState, list[InvariantViolation]]:
    """Return the stored state once all derived data agrees with it, and what does not after 90 seconds."""

    def probe() -> tuple[StoredState, list[InvariantViolation]]:
        stored_state = StoredState.read(topology, listing_ids)
        return stored_state, find_unsettled(stored_state)

    return wait_until(
        probe, timeout_s=SETTLE_TIMEOUT_S, interval_s=POLL_INTERVAL_S, is_done=lambda found: not found[1]
    )


def _find_lost(operation_log: OperationLog, stored_state: StoredState) -> Iterator[InvariantViolation]:
    for operation in operation_log.acknowledged("apply"):
        stored = stored_state.applications.get(operation.subject)
        if stored is None:
            yield InvariantViolation("an acknowledged application is gone", operation.subject)
        elif (stored["student_id"], stored["internship_id"]) != (operation.who, operation.detail):
            yield InvariantViolation("an application is not the one that was acknowledged", operation.subject)
    for operation in operation_log.acknowledged("publish"):
        if operation.subject not in stored_state.listings:
            yield InvariantViolation("a published listing is gone", operation.subject)
    yield from _find_lost_moves(operation_log, stored_state)


def _find_lost_moves(operation_log: OperationLog, stored_state: StoredState) -> Iterator[InvariantViolation]:
    ends_in = {"accept": "HIRED", "decline": "WITHDRAWN", "withdraw": "WITHDRAWN"}
    wanted: Counter[tuple[str, str]] = Counter()
    for what in ("move", *ends_in):
        for operation in operation_log.acknowledged(what):
            wanted[operation.subject, ends_in.get(what, operation.detail)] += 1
    for (id_, target), count in wanted.items():
        stored = stored_state.applications.get(id_)
        made = sum(entry["target"] == target for entry in stored["history"]) if stored else 0
        if made < count:
            yield InvariantViolation(
                f"{count} moves to {target} were acknowledged, {made} are in the history", id_
            )


def _find_duplicates(operation_log: OperationLog, stored_state: StoredState) -> Iterator[InvariantViolation]:
    stored: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for each in stored_state.applications.values():
        stored[each["student_id"], each["internship_id"]].append(each)
    attempts = operation_log.applications_by_pair()
    for pair, found in stored.items():
        if sum(ApplicationState(each["state"]) not in ENDED_STATES for each in found) > 1:
            yield InvariantViolation("two live applications of one student for one listing", found[0]["_id"])
        may_be = [operation for operation in attempts[pair] if not operation.refused]
        if len(found) > len(may_be):
            yield InvariantViolation(
                f"{len(found)} applications came of {len(may_be)} attempts", found[0]["_id"]
            )


def _find_illegal_moves(applications: Iterable[Document]) -> Iterator[InvariantViolation]:
    for each in applications:
        before = state = ApplicationState.DRAFT
        for entry in each["history"]:
            actor, source, target = (
                ApplicationActorKind(entry["actor"]),
                ApplicationState(entry["source"]),
                ApplicationState(entry["target"]),
            )
            if source is not state:
                yield InvariantViolation(
                    f"its history goes on from {source} where it had come to {state}", each["_id"]
                )
            back = target is before and (actor, source, None) in _ALLOWED_MOVES
            if not back and (actor, source, target) not in _ALLOWED_MOVES:
                yield InvariantViolation(f"{actor} may not move from {source} to {target}", each["_id"])
            before, state = source, target
        if state != each["state"]:
            yield InvariantViolation(f"it is {each['state']}, and its history ends in {state}", each["_id"])


def _find_oversold(stored_state: StoredState) -> Iterator[InvariantViolation]:
    for id_, each in stored_state.listings.items():
        hired = sum(
            ApplicationState(one["state"]) in _OPENING_STATES for one in stored_state.applications_of(id_)
        )
        openings = each["posting"]["openings"]
        if hired > openings:
            yield InvariantViolation(f"{hired} were hired or offered a place for {openings} openings", id_)


def _find_hidden(stored_state: StoredState) -> Iterator[InvariantViolation]:
    for id_ in stored_state.applications.keys() ^ stored_state.applicants.keys():
        yield InvariantViolation("the company's list and the applications do not agree", id_)
    for id_ in stored_state.applications.keys() & stored_state.applicants.keys():
        if stored_state.applicants[id_]["state"] != stored_state.applications[id_]["state"]:
            yield InvariantViolation("the company's list shows another state", id_)


def _find_miscounted(stored_state: StoredState) -> Iterator[InvariantViolation]:
    for id_, each in stored_state.listings.items():
        own, shown = stored_state.applications_of(id_), stored_state.figures.get(id_, {})
        if shown.get("applications", 0) != len(own):
            yield InvariantViolation(
                f"the funnel counts {shown.get('applications', 0)} applications of {len(own)}", id_
            )
        now = Counter(one["state"] for one in own)
        current = {state: count for state, count in shown.get("current", {}).items() if count}
        if current != dict(now):
            yield InvariantViolation(f"the funnel shows {current}, and it is {dict(now)}", id_)
        ever = Counter(state for one in own for state in {entry["target"] for entry in one["history"]})
        reached = {state: count for state, count in shown.get("reached", {}).items() if count}
        if reached != dict(ever):
            yield InvariantViolation(
                f"the funnel shows {reached} as ever reached, and it is {dict(ever)}", id_
            )
        hired = now["HIRED"]
        if each.get("hires", 0) != hired:
            yield InvariantViolation(f"{each.get('hires', 0)} openings are taken by {hired} hires", id_)
        offered = now["OFFERED"]
        if each.get("offers", 0) != offered:
            yield InvariantViolation(f"{each.get('offers', 0)} openings are kept for {offered} offers", id_)


def _find_left_waiting(stored_state: StoredState) -> Iterator[InvariantViolation]:
    for id_, each in stored_state.listings.items():
        for one in stored_state.applications_of(id_) if each["state"] in _ENDED_LISTINGS else ():
            if ApplicationState(one["state"]) in UNDECIDED_STATES:
                yield InvariantViolation(
                    f"it is {one['state']} and its listing is {each['state']}", one["_id"]
                )
            if one.get("offering") is not None:
                yield InvariantViolation("an offer is still being made", one["_id"])


def read_documents(topology: Topology, service: str, collection: str, query: Document) -> dict[str, Document]:
    """Return documents of a service's collection by ID, from all shards, as an administrator."""
    found: dict[str, Document] = {}
    credentials = Credentials.load_or_create(topology)
    for shard in topology.shards:
        with MongoClient[dict[str, Any]](mongo.shard_admin_uri(shard, credentials)) as client:
            rows = client[service_database(service)][collection].find(query)
            found |= {row["_id"]: row for row in rows}
    return found
