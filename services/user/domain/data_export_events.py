"""The events of data exports."""

from dataclasses import dataclass
from datetime import datetime

from services.user.domain.data_exports import DataExportState, PersonExports


@dataclass(frozen=True, slots=True)
class DataExportBecameReady:
    """A person's copy of their data can be downloaded until `expire_time`."""

    user_id: str
    export_id: str
    expire_time: datetime


def data_export_events(before: PersonExports, after: PersonExports) -> tuple[DataExportBecameReady, ...]:
    """Return the events of a change."""
    ready_before = {each.id for each in before.exports if each.state is DataExportState.READY}
    return tuple(
        DataExportBecameReady(after.id, each.id, each.expire_time)
        for each in after.exports
        if each.state is DataExportState.READY and each.expire_time and each.id not in ready_before
    )
