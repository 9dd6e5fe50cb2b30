"""Companies' rules for keeping applications, each under the ID of its company."""

from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from services.application.domain.retention import RetentionRule
from services.application.repository.collections import RETENTION_RULES


class RetentionRuleRepository(Repository[RetentionRule]):
    """The rules that differ from the default, or did once."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            RETENTION_RULES,
            RetentionRule,
            resource="retention rule",
            not_found_reason="COMPANY_NOT_FOUND",
            is_single_document=True,
        )
