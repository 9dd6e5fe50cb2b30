"""The use cases: who may see which figures.

A company's own figures are operational: each applicant behind them is known to the company by name anyway.
So they are exact from the first applicant on; suppressing cells under 10 people is for reports that go beyond
those who know the people, and there are none here.
"""

from chassis.call_context import Principal
from chassis.errors import not_found, permission_denied
from services.analytics.repository import FigureRepository, RecruitingFigures


class ReadFigures:
    """Figures for the members of a company."""

    def __init__(self, store: FigureRepository) -> None:
        self._store = store

    async def funnel(self, who: Principal, internship_id: str) -> RecruitingFigures:
        """The figures of one listing of the caller's company.

        Raises:
            DomainError: INTERNSHIP_NOT_FOUND for another company's listing, and for one that no event has
                told of yet.
        """
        figures = await self._store.funnel(internship_id)
        if figures is None or figures.company_id != who.org:
            raise not_found("INTERNSHIP_NOT_FOUND", "internship", internship_id)
        return figures

    async def overview(self, who: Principal) -> RecruitingFigures | None:
        """The figures of the caller's company; None before the first event.

        Raises:
            DomainError: PERMISSION_DENIED for an account that belongs to no company.
        """
        if not who.org:
            raise permission_denied("This account belongs to no company.")
        return await self._store.overview(who.org)
