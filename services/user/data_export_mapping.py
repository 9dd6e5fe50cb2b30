"""People's copies of their own data to contract messages."""

from google.protobuf.message import Message

from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import data_exports_pb2 as pb
from services.user.domain.data_export_events import DataExportBecameReady
from services.user.domain.data_exports import DataExport, DataExportLink
from services.user.mapping import entity_to_message


def data_export_message(export: DataExport) -> pb.DataExport:
    """Return the export as its owner sees it."""
    message = entity_to_message(pb.DataExport, export)
    if export.archive is not None:
        message.size_bytes = export.archive.size_bytes
        message.sha256 = export.archive.sha256
    return message


def data_export_download_message(link: DataExportLink, public_url: str) -> pb.DataExportDownload:
    """Return the address of an archive."""
    url = f"{public_url}/api/v1/data-exports/{link.export_id}/content?ticket={link.ticket}"
    message = pb.DataExportDownload(url=url)
    message.expire_time.FromDatetime(link.expire_time)
    return message


def data_export_event_message(event: DataExportBecameReady) -> Message:
    """Return the message of an export's event."""
    message = events.DataExportReady(user_id=event.user_id, export_id=event.export_id)
    message.expire_time.FromDatetime(event.expire_time)
    return message
