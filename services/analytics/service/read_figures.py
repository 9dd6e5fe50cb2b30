"""The use cases that read figures.

A company's own figures are operational: each applicant behind them is known to the company by name anyway, so
they are exact from the first applicant on. Suppressing cells under 10 people is for reports to others, and
there are none here.
"""

from chassis.call_context import Principal
from chassis.errors import not_found, permission_denied
from services.analytics.domain.figures import RecruitingFigures
from services.analytics.repository import FigureRepository


class ReadFigures:
    """Figures for the members of a company."""

    def __init__(self, repository: FigureRepository) -> None:
        self._repository = repository

    async def read_funnel(self, principal: Principal, internship_id: str) -> RecruitingFigures:
        """Return the figures of one listing of the caller's company.

        Raises:
            DomainError: INTERNSHIP_NOT_FOUND for another company's listing, and for one without an event yet.
        """
        figures = await self._repository.find_funnel(internship_id)
        if figures is None or figures.company_id != principal.org:
            raise not_found("INTERNSHIP_NOT_FOUND", "internship", internship_id)
        return figures

    async def read_overview(self, principal: Principal) -> RecruitingFigures | None:
        """Return the figures of the caller's company; None before the first event.

        Raises:
            DomainError: PERMISSION_DENIED for an account that belongs to no company.
        """
        if not principal.org:
            raise permission_denied("This account belongs to no company.")
        return await self._repository.find_overview(principal.org)
