"""Companies' pages and teams."""

from pymongo import ASCENDING

from chassis.errors import unavailable
from chassis.mongo.documents import Document, from_document
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from services.user.domain import Company, CompanyState
from services.user.domain.company import CompanyListPage
from services.user.domain.team import CompanyTeam
from services.user.mapping import event_message
from services.user.repository.collections import COMPANIES, LIST_TIMEOUT_S, TEAMS
from services.user.team_mapping import team_event_message


class CompanyRepository(Repository[Company]):
    """Companies' pages."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            COMPANIES,
            Company,
            resource="company",
            not_found_reason="COMPANY_NOT_FOUND",
            encode_event=event_message,
        )

    async def list_in_state(self, state: CompanyState | None, *, after: str, limit: int) -> CompanyListPage:
        """Return companies in a state, or all, in order of ID, from all shards (`by_state`, `_id_`)."""
        query: Document = {} if state is None else {"state": state.value}
        if after:
            query["_id"] = {"$gt": after}

        async def on_shard(shard: Shard) -> list[Company]:
            hint = "_id_" if state is None else "by_state"
            cursor = shard.db["companies"].find(query, hint=hint).sort("_id", ASCENDING).limit(limit)
            return [from_document(Company, found) for found in await cursor.to_list()]

        scatter = await self._shards.scatter(on_shard, LIST_TIMEOUT_S)
        if not scatter.results:
            raise unavailable("The list of companies")
        found = sorted((each for part in scatter.results for each in part), key=lambda each: each.id)
        return CompanyListPage(found[:limit], scatter.missing_shards)


class CompanyTeamRepository(Repository[CompanyTeam]):
    """Companies' teams, each with its members and invitations in one document."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            TEAMS,
            CompanyTeam,
            resource="team",
            not_found_reason="COMPANY_NOT_FOUND",
            encode_event=team_event_message,
            is_serialised=True,
        )
