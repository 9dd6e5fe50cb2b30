"""Compares records of documents with the store of their contents, by the user service's own code."""

from contextlib import AsyncExitStack
from typing import Final

import uvloop

from chassis.blobs import open_blob_store
from chassis.clock import Clock, SystemClock
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.in_process_services import open_service_resources
from services.user.repository import DocumentHoldRepository, DocumentRepository
from services.user.service.verify_documents import EmptyBlobStoreError, VerifyDocuments, VerifyProgress
from services.user.settings import UserSettings

CLOCK: Final[Clock] = SystemClock()


def verify_documents(cluster: Cluster, progress: VerifyProgress, *, write: bool) -> None:
    """Compare while the cluster serves, and mend if `write`; `progress` receives the numbers.

    Raises:
        OpsError: the cluster names no store of contents, or slots are moving between shards.
        DomainError: a shard or the store does not answer; what was mended is kept.
    """

    async def verify() -> None:
        async with AsyncExitStack() as closing:
            resources = await open_service_resources("user", UserSettings, cluster, closing, clock=CLOCK)
            if not resources.settings.blobs:
                raise OpsError(f"{cluster} keeps no documents: IC_BLOBS is not among its settings")
            if resources.shards.slot_map.moving:
                raise OpsError("slots are moving between shards: run it again when none does any more")
            blobs = open_blob_store(resources.settings)
            records, holds = DocumentRepository(resources.shards), DocumentHoldRepository(resources.shards)
            try:
                await VerifyDocuments(records, holds, blobs, CLOCK, write=write).verify(progress)
            except EmptyBlobStoreError:
                raise OpsError(
                    f"{resources.settings.blobs} holds no document at all, and records name some: "
                    "see whether it is the right store and is there"
                ) from None

    uvloop.run(verify())
