"""Figures over gRPC."""

from typing import Any

import grpc

from chassis.call_context import current_principal
from internshipconnect.analytics.v1 import analytics_pb2 as pb
from internshipconnect.analytics.v1.analytics_pb2_grpc import AnalyticsServiceServicer
from services.analytics.domain.figures import STAGES, acceptance_rate, histogram_median
from services.analytics.repository import RecruitingFigures
from services.analytics.service.read_figures import ReadFigures

Context = grpc.aio.ServicerContext[Any, Any]


class AnalyticsServicer(AnalyticsServiceServicer):
    """Every call is about the caller's own company."""

    def __init__(self, analytics: ReadFigures) -> None:
        self._analytics = analytics

    async def GetFunnel(self, request: pb.GetFunnelRequest, context: Context) -> pb.Funnel:
        """How far the applicants of one listing came."""
        figures = await self._analytics.funnel(current_principal(), request.internship_id)
        funnel = pb.Funnel(
            internship_id=figures.id,
            views=figures.views,
            applications=figures.applications,
            stages=_stage_counts(figures),
        )
        funnel.as_of_time.FromDatetime(figures.as_of_time)
        return funnel

    async def GetCompanyOverview(
        self, request: pb.GetCompanyOverviewRequest, context: Context
    ) -> pb.CompanyOverview:
        """The figures of the caller's company over all its listings."""
        figures = await self._analytics.overview(current_principal())
        return _overview_message(figures) if figures else _empty_overview_message(current_principal().org)


def _overview_message(figures: RecruitingFigures) -> pb.CompanyOverview:
    overview = pb.CompanyOverview(
        company_id=figures.id,
        open_internships=figures.open_internships,
        total_internships=figures.total_internships,
        views=figures.views,
        applications=figures.applications,
        stages=_stage_counts(figures),
        offer_acceptance_rate=acceptance_rate(figures.offer_answers),
        median_time_to_first_response_s=histogram_median(
            {int(bucket): count for bucket, count in figures.responses.items()}
        ),
    )
    overview.as_of_time.FromDatetime(figures.as_of_time)
    return overview


def _empty_overview_message(company_id: str) -> pb.CompanyOverview:
    return pb.CompanyOverview(company_id=company_id, stages=[pb.StageCount(stage=stage) for stage in STAGES])


def _stage_counts(figures: RecruitingFigures) -> list[pb.StageCount]:
    return [
        pb.StageCount(
            stage=stage, reached=figures.reached.get(stage, 0), current=figures.current.get(stage, 0)
        )
        for stage in STAGES
    ]
