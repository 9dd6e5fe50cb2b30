"""The plans of companies, and their members, in the company's slot.

Plans are read by `_id`, the members of a company by the index `company`.
"""

from dataclasses import dataclass
from typing import Final

from pymongo.errors import DuplicateKeyError

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from services.auth.domain.accounts import CompanyMembership, CompanyPlan
from services.auth.repository.collections import COMPANY_MEMBERS_COLLECTION, COMPANY_PLANS_COLLECTION

_MAX_MEMBERS: Final = 1_000
"""Several times what a company can have, as those who have left are in between."""
_VERSION_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class CompanyMembers:
    """The user IDs of a company's members; `is_known` says that the company has ever had one."""

    user_ids: tuple[str, ...]
    is_known: bool


class CompanyPlanRepository(Repository[CompanyPlan]):
    """Plans of companies, and whom they concern: derived from the events of memberships."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            COMPANY_PLANS_COLLECTION,
            CompanyPlan,
            resource="company",
            not_found_reason="COMPANY_NOT_FOUND",
            is_single_document=True,
        )

    async def record_member(self, user_id: str, membership: CompanyMembership) -> None:
        """Store whether a person is a member, unless a later membership of theirs is stored."""
        document = member_document(user_id, membership)
        key = {name: document.pop(name) for name in ("_id", "slot")}
        members = self._shards.shard_for(membership.company_id).db[COMPANY_MEMBERS_COLLECTION.name]
        earlier = key | {"order": {"$lt": document["order"]}}
        try:  # the row of a later or the same membership is not matched, so that a second one is a duplicate
            await members.update_one(earlier, {"$set": document}, upsert=True, hint="_id_")
        except DuplicateKeyError:
            return

    async def is_recorded(self, user_id: str, membership: CompanyMembership) -> bool:
        """Return whether this membership of a person, or a later one, is stored (`_id_`)."""
        document = member_document(user_id, membership)
        members = self._shards.shard_for(membership.company_id).db[COMPANY_MEMBERS_COLLECTION.name]
        key = {name: document[name] for name in ("_id", "slot")}
        found = await members.find_one(key, {"order": 1}, hint="_id_")
        return found is not None and bool(found["order"] >= document["order"])

    async def list_members(self, company_id: str) -> CompanyMembers:
        """Return a company's members (`company`)."""
        members = self._shards.shard_for(company_id).db[COMPANY_MEMBERS_COLLECTION.name]
        query = {"slot": slot_of(company_id), "company_id": company_id}
        rows = await members.find(query, {"user_id": 1, "is_member": 1}, hint="company").to_list(_MAX_MEMBERS)
        present = tuple(str(row["user_id"]) for row in rows if row["is_member"])
        return CompanyMembers(present, is_known=bool(rows))


def member_document(user_id: str, membership: CompanyMembership) -> Document:
    """Return the row of a person in a company; `order` grows with that person's memberships."""
    company_id = membership.company_id
    return {
        "_id": f"{company_id} {user_id}",
        "slot": slot_of(company_id),
        "company_id": company_id,
        "user_id": user_id,
        "is_member": not membership.has_ended,
        "order": membership.number << _VERSION_BITS | membership.team_version,
    }
