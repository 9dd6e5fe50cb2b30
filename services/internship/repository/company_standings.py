"""Companies' standings, each in the slot of the company, beside its listings."""

from typing import Final

from pymongo.asynchronous.database import AsyncDatabase

from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from services.internship.domain.moderation import CompanyStanding

STANDINGS: Final = "company_standings"
COLLECTIONS: Final = (CollectionSpec(STANDINGS, shard_key="slot"),)

Database = AsyncDatabase[Document]


def _standing_filter(company_id: str) -> Document:
    return {"_id": company_id, "slot": slot_of(company_id)}


async def find_company_standing(db: Database, company_id: str) -> CompanyStanding:
    """Return the company's standing, by `_id_`; an untrusted one when none is stored."""
    document = await db[STANDINGS].find_one(_standing_filter(company_id), hint="_id_")
    return CompanyStanding(id=company_id) if document is None else from_document(CompanyStanding, document)


async def put_company_standing(db: Database, standing: CompanyStanding) -> None:
    """Store a standing, by `_id_`."""
    document = to_document(standing, slot=slot_of(standing.id))
    await db[STANDINGS].replace_one(_standing_filter(standing.id), document, upsert=True, hint="_id_")
