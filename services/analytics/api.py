"""The gRPC API of the analytics service."""

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from internshipconnect.analytics.v1 import analytics_pb2 as pb
from internshipconnect.analytics.v1.analytics_pb2_grpc import AnalyticsServiceServicer
from services.analytics import mapping
from services.analytics.service.read_figures import ReadFigures


class AnalyticsServicer(AnalyticsServiceServicer):
    """Answers the RPCs of `AnalyticsService`; every call is about the caller's own company."""

    def __init__(self, figures: ReadFigures) -> None:
        self._figures = figures

    async def GetFunnel(self, request: pb.GetFunnelRequest, context: RpcContext) -> pb.Funnel:
        """Answer the funnel of one listing."""
        return mapping.funnel_message(
            await self._figures.read_funnel(current_principal(), request.internship_id)
        )

    async def GetCompanyOverview(
        self, request: pb.GetCompanyOverviewRequest, context: RpcContext
    ) -> pb.CompanyOverview:
        """Answer the figures of the caller's company over all its listings."""
        principal = current_principal()
        figures = await self._figures.read_overview(principal)
        return mapping.overview_message(figures) if figures else mapping.empty_overview_message(principal.org)
