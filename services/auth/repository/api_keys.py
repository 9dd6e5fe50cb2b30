"""The API keys of companies, in the company's slot, which the IDs of its keys carry, too.

A company's keys are one document, read by `_id`; that of a key is found by the index `key`.
"""

from chassis.ids import slot_of
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from services.auth.domain.api_keys import CompanyApiKeys
from services.auth.mapping import event_message
from services.auth.repository.collections import API_KEYS_COLLECTION


class ApiKeyRepository(Repository[CompanyApiKeys]):
    """The keys of each company."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            API_KEYS_COLLECTION,
            CompanyApiKeys,
            resource="company",
            not_found_reason="COMPANY_NOT_FOUND",
            encode_event=event_message,
            is_single_document=True,
        )

    async def find_by_key(self, key_id: str) -> CompanyApiKeys | None:
        """Return the keys of the company that has this one (`key`); None for an unknown or revoked one."""
        query = {"slot": slot_of(key_id), "keys.id": key_id}
        document = await self._collection(key_id).find_one(query, hint="key")
        return None if document is None else self._from_document(document)
