"""The use cases of people's copies of their own data, made together."""

from dataclasses import dataclass
from typing import Self

from chassis.clock import Clock
from services.user.repository import UserRepositories
from services.user.service.collect_data_exports import CollectDataExports, PersonalDataHolders
from services.user.service.document_use_cases import DocumentAdapters
from services.user.service.list_personal_data import ListProfileData
from services.user.service.manage_data_exports import ManageDataExports


@dataclass(frozen=True)
class DataExportUseCases:
    """One instance of each use case."""

    managing: ManageDataExports
    collecting: CollectDataExports

    @classmethod
    def build(
        cls, stored: UserRepositories, adapters: DocumentAdapters, others: PersonalDataHolders, clock: Clock
    ) -> Self:
        """Return the use cases; archives are in the store of the documents."""
        own_data = ListProfileData(stored).source
        return cls(
            ManageDataExports(stored.exports, adapters.blobs, adapters.tickets, clock),
            CollectDataExports(stored, own_data, others, adapters.blobs, clock),
        )
