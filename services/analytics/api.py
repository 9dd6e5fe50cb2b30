"""Figures over gRPC."""

from typing import Any

import grpc

from chassis.caller import caller
from internshipconnect.analytics.v1 import analytics_pb2 as pb
from internshipconnect.analytics.v1.analytics_pb2_grpc import AnalyticsServiceServicer
from services.analytics.domain import STAGES, acceptance_rate, median_of
from services.analytics.service import Analytics
from services.analytics.store import Figures

Context = grpc.aio.ServicerContext[Any, Any]


class AnalyticsApi(AnalyticsServiceServicer):
    """Every call is about the caller's own company."""

    def __init__(self, analytics: Analytics) -> None:
        self._analytics = analytics

    async def GetFunnel(self, request: pb.GetFunnelRequest, context: Context) -> pb.Funnel:
        """How far the applicants of one listing came."""
        figures = await self._analytics.funnel(caller(), request.internship_id)
        funnel = pb.Funnel(
            internship_id=figures.id,
            views=figures.views,
            applications=figures.applications,
            stages=_stages(figures),
        )
        funnel.as_of_time.FromDatetime(figures.as_of_time)
        return funnel

    async def GetCompanyOverview(
        self, request: pb.GetCompanyOverviewRequest, context: Context
    ) -> pb.CompanyOverview:
        """The figures of the caller's company over all its listings."""
        figures = await self._analytics.overview(caller())
        return _overview(figures) if figures else _nothing_yet(caller().org)


def _overview(figures: Figures) -> pb.CompanyOverview:
    overview = pb.CompanyOverview(
        company_id=figures.id,
        open_internships=figures.open_internships,
        total_internships=figures.total_internships,
        views=figures.views,
        applications=figures.applications,
        stages=_stages(figures),
        offer_acceptance_rate=acceptance_rate(figures.offer_answers),
        median_time_to_first_response_s=median_of(
            {int(bucket): count for bucket, count in figures.responses.items()}
        ),
    )
    overview.as_of_time.FromDatetime(figures.as_of_time)
    return overview


def _nothing_yet(company_id: str) -> pb.CompanyOverview:
    return pb.CompanyOverview(company_id=company_id, stages=[pb.StageCount(stage=stage) for stage in STAGES])


def _stages(figures: Figures) -> list[pb.StageCount]:
    return [
        pb.StageCount(
            stage=stage, reached=figures.reached.get(stage, 0), current=figures.current.get(stage, 0)
        )
        for stage in STAGES
    ]
