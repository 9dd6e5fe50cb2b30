"""The use cases of how long companies keep applications: rules, legal holds, and the end of the time."""

from datetime import datetime, timedelta
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.concurrency.bounded_gather import run_for_each
from chassis.erasures import Tombstones
from chassis.errors import DomainError, domain_error
from chassis.observability.logging import get_logger
from services.application.domain import retention
from services.application.domain.events import with_events
from services.application.domain.model import Application, LegalHold
from services.application.domain.retention import RetentionRule
from services.application.repository import ApplicationRepository, RetentionRuleRepository
from services.application.service.ports import DocumentDirectory

BATCH_SIZE: Final = 200
MAX_BATCHES: Final = 20
"""Of one run, after which the next one goes on."""
MAX_CONCURRENT_APPLICATIONS: Final = 8
RETRY_DELAY: Final = timedelta(hours=1)

_log = get_logger()


class ManageRetention:
    """Companies' rules, and moderators' holds."""

    def __init__(
        self,
        applications: ApplicationRepository,
        rules: RetentionRuleRepository,
        tombstones: Tombstones,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._rules = rules
        self._tombstones = tombstones
        self._clock = clock

    async def get_rule(self, principal: Principal) -> RetentionRule:
        """Return the rule of the caller's company. Raises COMPANY_NOT_FOUND for a caller without one."""
        company_id = _company_of(principal)
        return await self._rules.get(company_id) or RetentionRule(company_id)

    async def set_rule(self, principal: Principal, days: int) -> RetentionRule:
        """Change the rule of the caller's company; it holds for applications of before as well.

        Raises COMPANY_NOT_FOUND for a caller without one.
        """
        company_id = _company_of(principal)

        def decide(found: RetentionRule | None) -> AggregateChange[RetentionRule] | None:
            before = found or RetentionRule(company_id)
            after = before.with_days(days)
            return None if after is before else AggregateChange(after)

        return await self._rules.upsert(company_id, decide) or RetentionRule(company_id)

    async def place_hold(self, principal: Principal, application_id: str, reason: str) -> Application:
        """Keep an application whatever the rule says; a repeat changes nothing.

        Raises APPLICATION_NOT_FOUND, APPLICATION_ANONYMISED.
        """
        hold = LegalHold(reason=reason, place_time=self._clock.now(), placed_by=principal.id)
        decide = with_events(lambda seen: retention.with_legal_hold(seen, hold))
        return await self._applications.update(application_id, decide)

    async def lift_hold(self, application_id: str) -> Application:
        """Let the rule hold again; a repeat changes nothing. Raises APPLICATION_NOT_FOUND.

        An application of a student whose account was deleted goes now.
        """
        lifted = await self._applications.update(application_id, with_events(retention.without_legal_hold))
        if lifted.student_id and await self._tombstones.find_erased([lifted.student_id]):
            await self._tombstones.request_erasure(lifted.student_id, self._clock.now())
        return lifted


class EndRetention:
    """The job that makes applications anonymous whose time is over; repeatable at will."""

    def __init__(
        self,
        applications: ApplicationRepository,
        rules: RetentionRuleRepository,
        documents: DocumentDirectory,
        clock: Clock,
    ) -> None:
        self._applications = applications
        self._rules = rules
        self._documents = documents
        self._clock = clock

    async def end_due(self) -> None:
        """Go through the applications to check, some batches of them, on shards that answer."""
        for _ in range(MAX_BATCHES):
            found = await self._applications.list_to_check_retention(self._clock.now(), BATCH_SIZE)
            if not found:
                return
            await self._check_each(found)

    async def _check_each(self, applications: list[Application]) -> None:
        rules = await self._find_rules(applications)
        await run_for_each(
            applications,
            lambda each: self._check(each, rules.get(each.company_id)),
            max_concurrent=MAX_CONCURRENT_APPLICATIONS,
        )

    async def _find_rules(self, applications: list[Application]) -> dict[str, RetentionRule]:
        """Return the rules by company; none of companies whose shards do not answer."""
        company_ids = {each.company_id for each in applications}
        read = await self._rules.get_each(sorted(company_ids))
        rules = {id_: RetentionRule(id_) for id_ in company_ids - set(read.unavailable_ids)}
        return rules | {rule.id: rule for rule in read.items}

    async def _check(self, application: Application, rule: RetentionRule | None) -> None:
        """End one, or check it later; one that cannot be ended now is not looked at for an hour."""
        now = self._clock.now()
        if rule is None and not application.is_anonymous:
            await self._applications.postpone_retention_check(application, now + RETRY_DELAY)
            return
        if rule is not None and not _has_something_due(application, rule, now):
            later = retention.next_check_time(application, rule, now)
            await self._applications.postpone_retention_check(application, later)
            return
        await self._applications.postpone_retention_check(application, now + RETRY_DELAY)
        try:
            await self._end(application, rule or RetentionRule(application.company_id))
        except DomainError as error:
            _log.warning("retention not ended", application_id=application.id, error=str(error))

    async def _end(self, application: Application, rule: RetentionRule) -> None:
        """Make it anonymous, unless it was moved or put on hold; then its documents go.

        A run that is broken off in between leaves the documents to a later one.
        """
        now = self._clock.now()

        def step(seen: Application) -> Application | None:
            return retention.anonymised(seen, now) if retention.is_retention_over(seen, rule, now) else None

        ended = await self._applications.update(application.id, with_events(step))
        if ended.is_anonymous and ended.holds_documents:
            await self._documents.settle([application.id], are_stored=False)
            await self._applications.update(application.id, with_events(retention.without_documents))


def _company_of(principal: Principal) -> str:
    if not principal.org:
        raise domain_error("COMPANY_NOT_FOUND", "This account belongs to no company.")
    return principal.org


def _has_something_due(application: Application, rule: RetentionRule, now: datetime) -> bool:
    return application.holds_documents or retention.is_retention_over(application, rule, now)
