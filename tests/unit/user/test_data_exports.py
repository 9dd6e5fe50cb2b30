"""When a copy of one's data may be asked for, and what becomes of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chassis.errors import DomainError
from services.user.domain.data_export_events import DataExportBecameReady, data_export_events
from services.user.domain.data_exports import (
    CLAIM_LIFE,
    DATA_EXPORT_TRANSITIONS,
    EXPORT_LIFE,
    MAX_ATTEMPTS,
    MAX_EXPORTS_PER_DAY,
    MAX_KEPT_ENDED,
    MAX_RETRY_PAUSE,
    DataExport,
    DataExportState,
    ExportArchive,
    PersonExports,
    archive_key,
    archive_keys,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PERSON = "usr_01JD0000000000000000000000"
DAY = timedelta(days=1)


def archive_of(export_id: str, attempt: int = 1) -> ExportArchive:
    return ExportArchive(archive_key(PERSON, export_id, attempt), 100, "digest")


def asked(at: datetime = NOW) -> PersonExports:
    return PersonExports(PERSON).with_export("exp_1", at)


def ready(exports: PersonExports, export_id: str, at: datetime = NOW) -> PersonExports:
    claimed = exports.with_claim(export_id, at)
    return claimed.with_archive(export_id, 1, archive_of(export_id), at)


def reason_of(exports: PersonExports, at: datetime = NOW) -> str:
    with pytest.raises(DomainError) as refused:
        exports.with_export("exp_further", at)
    return refused.value.reason


def test_a_new_export_is_due_at_once() -> None:
    stored = asked().with_next_version()
    assert stored.due_time == NOW
    assert [each.id for each in stored.list_due(NOW)] == ["exp_1"]


def test_one_export_is_made_at_a_time() -> None:
    assert reason_of(asked()) == "DATA_EXPORT_RUNNING"
    assert reason_of(asked().with_claim("exp_1", NOW)) == "DATA_EXPORT_RUNNING"


def test_three_exports_a_day_can_be_asked_for() -> None:
    exports = PersonExports(PERSON)
    for number in range(MAX_EXPORTS_PER_DAY):
        exports = ready(exports.with_export(f"exp_{number}", NOW), f"exp_{number}")
    assert reason_of(exports) == "DATA_EXPORT_LIMIT_REACHED"
    assert reason_of(exports, NOW + DAY - timedelta(seconds=1)) == "DATA_EXPORT_LIMIT_REACHED"
    assert exports.with_export("exp_further", NOW + DAY).running is not None


def test_an_export_that_failed_does_not_count_for_the_day() -> None:
    exports = PersonExports(PERSON)
    for number in range(MAX_EXPORTS_PER_DAY + 1):
        exports, at = exports.with_export(f"exp_{number}", NOW), NOW
        while exports.running is not None:
            exports = exports.with_claim(f"exp_{number}", at)
            at += CLAIM_LIFE
    assert {each.state for each in exports.exports} == {DataExportState.FAILED}


def test_a_claim_keeps_other_workers_away_until_it_ends() -> None:
    claimed = asked().with_claim("exp_1", NOW)
    assert claimed.with_claim("exp_1", NOW + CLAIM_LIFE - timedelta(seconds=1)) is claimed
    again = claimed.with_claim("exp_1", NOW + CLAIM_LIFE)
    assert again.find_or_raise("exp_1").attempts == 2


def test_the_archive_of_an_attempt_that_was_taken_over_is_not_recorded() -> None:
    again = asked().with_claim("exp_1", NOW).with_claim("exp_1", NOW + CLAIM_LIFE)
    assert again.with_archive("exp_1", 1, archive_of("exp_1"), NOW) is again
    assert again.with_failed_attempt("exp_1", 1, NOW) is again
    made = again.with_archive("exp_1", 2, archive_of("exp_1", 2), NOW).find_or_raise("exp_1")
    assert made.state is DataExportState.READY
    assert archive_keys(PERSON, made) == (archive_of("exp_1").blob_key, archive_of("exp_1", 2).blob_key)


def test_pauses_between_attempts_grow_to_an_hour_and_the_last_attempt_is_followed_by_failure() -> None:
    exports, at, pauses = asked(), NOW, []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        exports = exports.with_claim("exp_1", at).with_failed_attempt("exp_1", attempt, at)
        due = exports.find_or_raise("exp_1").due_time
        assert due is not None
        pauses.append(due - at)
        at = due
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(minutes=1), MAX_RETRY_PAUSE)
    given_up = exports.with_claim("exp_1", at).find_or_raise("exp_1")
    assert (given_up.state, given_up.due_time) == (DataExportState.FAILED, None)


def test_an_archive_is_open_for_seven_days_and_is_due_for_deletion_then() -> None:
    exports = ready(asked(), "exp_1").with_next_version()
    found, end = exports.find_or_raise("exp_1"), NOW + EXPORT_LIFE
    assert found.is_open_at(end - timedelta(seconds=1)) and not found.is_open_at(end)
    assert exports.due_time == end
    assert exports.with_expiry("exp_1", end - timedelta(seconds=1)) is exports
    gone = exports.with_expiry("exp_1", end).find_or_raise("exp_1")
    assert (gone.state, gone.archive, gone.due_time) == (DataExportState.EXPIRED, None, None)


def test_the_last_exports_that_are_over_are_kept() -> None:
    exports, at = PersonExports(PERSON), NOW
    for number in range(MAX_KEPT_ENDED + 5):
        exports = ready(exports.with_export(f"exp_{number}", at), f"exp_{number}", at)
        at += EXPORT_LIFE
        exports = exports.with_expiry(f"exp_{number}", at)
    listed = [each.id for each in exports.with_export("exp_last", at).exports]
    assert listed == [f"exp_{number}" for number in range(5, MAX_KEPT_ENDED + 5)] + ["exp_last"]


def test_a_person_is_informed_once_that_an_export_is_ready() -> None:
    before = asked().with_claim("exp_1", NOW)
    after = before.with_archive("exp_1", 1, archive_of("exp_1"), NOW)
    assert data_export_events(before, after) == (DataExportBecameReady(PERSON, "exp_1", NOW + EXPORT_LIFE),)
    assert data_export_events(after, after.with_expiry("exp_1", NOW + EXPORT_LIFE)) == ()


@dataclass
class SlowWorker:
    """A worker that has claimed an attempt and may still finish it."""

    export_id: str
    attempt: int
    begun_at: datetime = field(default=NOW)


class ExportsUnderWorkers(RuleBasedStateMachine):
    """Workers that claim, die, come back late and record what they have, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.exports, self.now, self.number = PersonExports(PERSON), NOW, 0
        self.workers: list[SlowWorker] = []

    @rule(step=st.sampled_from([timedelta(minutes=1), CLAIM_LIFE, DAY, EXPORT_LIFE]))
    def pass_time(self, step: timedelta) -> None:
        self.now += step

    @rule()
    def ask(self) -> None:
        self.number += 1
        try:
            self.store(self.exports.with_export(f"exp_{self.number}", self.now))
        except DomainError as error:
            assert error.reason in {"DATA_EXPORT_RUNNING", "DATA_EXPORT_LIMIT_REACHED"}

    @rule()
    def claim(self) -> None:
        for each in list(self.exports.list_due(self.now)):
            after = self.exports.with_claim(each.id, self.now)
            claimed = after.find_export(each.id)
            if after is not self.exports and claimed and claimed.state is DataExportState.COLLECTING:
                self.workers.append(SlowWorker(each.id, claimed.attempts, self.now))
            self.store(after)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), succeeds=st.booleans())
    def finish(self, data: st.DataObject, succeeds: bool) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        if succeeds:
            archive = archive_of(worker.export_id, worker.attempt)
            self.store(self.exports.with_archive(worker.export_id, worker.attempt, archive, self.now))
        else:
            self.store(self.exports.with_failed_attempt(worker.export_id, worker.attempt, self.now))

    @rule()
    def expire(self) -> None:
        for each in list(self.exports.list_due(self.now)):
            self.store(self.exports.with_expiry(each.id, self.now))

    def store(self, after: PersonExports) -> None:
        """Hold each change to the table of transitions."""
        for each in after.exports:
            before = self.exports.find_export(each.id)
            if before is not None and before.state is not each.state:
                assert each.state in DATA_EXPORT_TRANSITIONS[before.state]
        self.exports = after

    @invariant()
    def one_is_running_at_most(self) -> None:
        assert sum(each.is_running for each in self.exports.exports) <= 1

    @invariant()
    def an_archive_belongs_to_the_last_attempt_of_a_ready_export(self) -> None:
        for each in self.exports.exports:
            assert (each.archive is not None) == (each.state is DataExportState.READY)
            if each.archive is not None:
                assert each.archive.blob_key == archive_key(PERSON, each.id, each.attempts)

    @invariant()
    def whatever_is_not_over_is_due_at_some_time(self) -> None:
        for each in self.exports.exports:
            is_over = each.state in {DataExportState.FAILED, DataExportState.EXPIRED}
            assert (each.due_time is None) == is_over


TestExportsUnderWorkers = ExportsUnderWorkers.TestCase


def test_a_state_that_may_not_follow_is_an_error_of_the_code() -> None:
    export = DataExport("exp_1", DataExportState.FAILED, NOW, NOW, None)
    with pytest.raises(ValueError, match="does not become"):
        export.in_state(DataExportState.READY, NOW, None)
