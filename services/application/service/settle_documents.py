"""Holds of documents whose application may never have been stored."""

from services.application.repository import ApplicationRepository
from services.application.service.ports import DocumentDirectory


class SettleDocuments:
    """Says of holds that are left open whether their applications are stored; repeatable at will."""

    def __init__(self, repository: ApplicationRepository, documents: DocumentDirectory) -> None:
        self._repository = repository
        self._documents = documents

    async def settle_open_holds(self) -> None:
        """Settle them in turns, until none is left or the rest cannot be settled now.

        An open hold is older than a submit can take, so an application that is not stored never will be.
        """
        seen = set[str]()
        while open_ids := set(await self._documents.list_unsettled()) - seen:
            stored = await self._repository.existing_ids(open_ids)
            for ids, are_stored in ((stored, True), (open_ids - stored, False)):
                if ids:
                    await self._documents.settle(sorted(ids), are_stored=are_stored)
            seen |= open_ids
