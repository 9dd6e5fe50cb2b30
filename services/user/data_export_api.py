"""The gRPC interface of people's copies of their own data."""

from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from chassis.call_context import current_operation, current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.user.v1 import data_exports_pb2 as pb
from internshipconnect.user.v1.data_exports_pb2_grpc import DataExportServiceServicer
from services.user.data_export_mapping import data_export_download_message, data_export_message
from services.user.download_headers import download_headers
from services.user.service.manage_data_exports import ManageDataExports

ARCHIVE_TYPE: Final = "application/zip"


class DataExportServicer(DataExportServiceServicer):
    """`DataExportService` of the contract; but for downloads, every call is about the caller's own data."""

    def __init__(self, exports: ManageDataExports, public_url: str) -> None:
        self._exports = exports
        self._public_url = public_url

    async def StartDataExport(self, request: pb.StartDataExportRequest, context: RpcContext) -> pb.DataExport:
        return data_export_message(await self._exports.start(current_principal(), current_operation()))

    async def ListDataExports(
        self, request: pb.ListDataExportsRequest, context: RpcContext
    ) -> pb.ListDataExportsResponse:
        exports = await self._exports.list_all(current_principal())
        return pb.ListDataExportsResponse(data=map(data_export_message, exports))

    async def GetDataExport(self, request: pb.GetDataExportRequest, context: RpcContext) -> pb.DataExport:
        return data_export_message(await self._exports.get(current_principal(), request.export_id))

    async def GetDataExportUrl(
        self, request: pb.GetDataExportUrlRequest, context: RpcContext
    ) -> pb.DataExportDownload:
        link = await self._exports.download_link(current_principal(), request.export_id)
        return data_export_download_message(link, self._public_url)

    async def DownloadDataExport(
        self, request: pb.DownloadDataExportRequest, context: RpcContext
    ) -> AsyncIterator[HttpBody]:
        """Yield the parts of the archive."""
        found = await self._exports.download(request.export_id, request.ticket)
        await context.send_initial_metadata(download_headers(found.name, ARCHIVE_TYPE))
        async for part in found.parts:
            yield HttpBody(content_type=ARCHIVE_TYPE, data=part)
