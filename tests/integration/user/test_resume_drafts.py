"""A résumé becomes a draft, and a draft a profile: once, however often each step is repeated."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from chassis.blobs.disk_blob_store import DiskBlobStore
from chassis.call_context import Principal, acting_as
from chassis.clock import FixedClock
from chassis.contracts import event_type
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.search.gazetteer import shared_gazetteer
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import ResumeReady
from internshipconnect.user.v1 import documents_pb2 as pb
from internshipconnect.user.v1 import user_pb2
from services.user.domain.profile_drafts import READ_AGAIN_AFTER
from services.user.domain.resumes import (
    ParsedResume,
    ReadValue,
    ResumeMediaType,
    ResumeOutcome,
    ResumeParsing,
)
from services.user.event_handlers import ResumeEventHandlers
from services.user.repository import ProfileDraftRepository
from services.user.resumes.sandbox import SandboxedResumeParser, SandboxLimits
from tests.databases import read_outbox
from tests.fakes.resume_parser import FakeResumeParser
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, a_student
from tests.integration.user.document_harness import DocumentHarness
from tests.targeting import TargetedQueryGuard
from tests.unit.user.files import TEXT, docx, pdf
from verify.resumes.sample_set import generate_resumes

READY, PENDING, FAILED = (
    pb.RESUME_DRAFT_STATE_READY,
    pb.RESUME_DRAFT_STATE_PENDING,
    pb.RESUME_DRAFT_STATE_FAILED,
)
ROOMY = SandboxLimits(max_cpu_s=60, deadline_s=120.0)
"""For a machine on which other work takes most of the time."""
CONFIRMED, DISCARDED = pb.RESUME_DRAFT_STATE_CONFIRMED, pb.RESUME_DRAFT_STATE_DISCARDED
PARSED = ResumeParsing(
    ResumeOutcome.PARSED,
    ParsedResume(name=ReadValue("Sam Okafor", 0.97, ""), summary=ReadValue("I like data.", 0.9, "")),
)


@dataclass
class DraftHarness:
    """The documents of one student, and the reader of résumés when it is asked to work."""

    documents: DocumentHarness
    parser: FakeResumeParser
    student: Principal

    def __post_init__(self) -> None:
        self.handlers = ResumeEventHandlers(self.documents.use_cases.reading)
        self.drafts = ProfileDraftRepository(self.documents.shards)

    async def resume(self, parsing: ResumeParsing = PARSED, content: bytes = pdf(b"one")) -> pb.Document:
        """Return a résumé that is ready and has not been read yet."""
        self.parser.answers = {**self.parser.answers, content: parsing}
        return await self.documents.ready(self.student, content)

    async def work(self) -> None:
        """Handle all events as a worker does, perhaps once more."""
        for ready in await read_outbox(self.documents.shards, ResumeReady, self.student.id):
            await self.handlers.resume_ready(ready, cast(Any, None))

    async def read(self, parsing: ResumeParsing = PARSED, content: bytes = pdf(b"one")) -> str:
        """Return the ID of a résumé that was read."""
        document = await self.resume(parsing, content)
        await self.work()
        return document.id

    async def get(self, document_id: str, who: Principal | None = None) -> pb.ResumeDraft:
        with acting_as(who or self.student):
            request = pb.GetResumeDraftRequest(document_id=document_id)
            return await self.documents.api.GetResumeDraft(request, NO_CONTEXT)

    async def confirm(self, document_id: str, who: Principal | None = None, **request: Any) -> user_pb2.Me:
        with acting_as(who or self.student):
            return await self.documents.api.ConfirmResumeDraft(
                pb.ConfirmResumeDraftRequest(document_id=document_id, **request), NO_CONTEXT
            )

    async def discard(self, document_id: str, who: Principal | None = None) -> pb.ResumeDraft:
        with acting_as(who or self.student):
            request = pb.DiscardResumeDraftRequest(document_id=document_id)
            return await self.documents.api.DiscardResumeDraft(request, NO_CONTEXT)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def drafts(shards: Shards, clock: FixedClock, tmp_path: Path) -> DraftHarness:
    parser = FakeResumeParser()
    documents = DocumentHarness(shards, clock, DiskBlobStore(tmp_path / "blobs"), parser=parser)
    return DraftHarness(documents, parser, a_student())


async def refusal(call: Any) -> str:
    with pytest.raises(DomainError) as refused:
        await call
    return refused.value.reason


async def test_a_resume_that_passed_its_check_becomes_a_draft_and_nothing_of_the_profile(
    drafts: DraftHarness, users: UserHarness, guard: TargetedQueryGuard
) -> None:
    with guard.operation("draft"):
        document = await drafts.resume()
        assert (await drafts.get(document.id)).state == PENDING
        await drafts.work()
        draft = await drafts.get(document.id)
    guard.check()
    assert (draft.state, draft.version, draft.name) == (READY, 1, "Sam Okafor")
    assert [each.path for each in draft.confidences] == ["name", "student.summary"]
    assert (await users.get_me(drafts.student)).name == ""


async def test_a_draft_that_is_confirmed_is_in_the_profile_and_a_second_time_changes_nothing(
    drafts: DraftHarness, users: UserHarness
) -> None:
    document_id = await drafts.read()
    before = await users.get_me(drafts.student)
    me = await drafts.confirm(document_id, etag=before.etag, version=1)
    assert (me.name, me.student.summary) == ("Sam Okafor", "I like data.")
    assert await users.get_me(drafts.student) == me
    assert (await drafts.get(document_id)).state == CONFIRMED
    changed = await users.update_me(drafts.student, user_pb2.Me(name="Sam O."), "name")
    assert await drafts.confirm(document_id, etag=before.etag) == changed


async def test_of_ten_confirmations_at_once_one_changes_the_profile(
    drafts: DraftHarness, users: UserHarness
) -> None:
    document_id = await drafts.read()
    answers = await asyncio.gather(*(drafts.confirm(document_id) for _ in range(10)), return_exceptions=True)
    confirmed = [each for each in answers if isinstance(each, user_pb2.Me)]
    others = {each.reason for each in answers if isinstance(each, DomainError)}
    assert confirmed and others <= {"OVERLOADED"}
    assert {each.etag for each in confirmed} == {(await users.get_me(drafts.student)).etag} == {"v1"}


async def test_a_profile_that_has_changed_since_or_a_newer_version_refuses_the_confirmation(
    drafts: DraftHarness, users: UserHarness
) -> None:
    document_id = await drafts.read()
    read = await users.get_me(drafts.student)
    await users.update_me(drafts.student, user_pb2.Me(name="Sam O."), "name")
    assert await refusal(drafts.confirm(document_id, etag=read.etag)) == "STALE_ETAG"
    assert await refusal(drafts.confirm(document_id, version=2)) == "STALE_ETAG"
    assert (await drafts.get(document_id)).state == READY


async def test_edited_values_are_checked_as_those_of_any_profile(
    drafts: DraftHarness, users: UserHarness
) -> None:
    document_id = await drafts.read()
    wrong = user_pb2.StudentProfile(education=[user_pb2.Education(institution="A", start="2024-13")])
    assert await refusal(drafts.confirm(document_id, me=user_pb2.Me(student=wrong))) == "INVALID_FIELD"
    assert (await drafts.get(document_id)).state == READY
    right = user_pb2.StudentProfile(education=[user_pb2.Education(institution="A", start="2024-12")])
    me = await drafts.confirm(
        document_id, me=user_pb2.Me(student=right), fields=[pb.RESUME_DRAFT_FIELD_EDUCATION]
    )
    assert (me.name, me.student.education[0].start) == ("", "2024-12")


@pytest.mark.parametrize("outcome", [ResumeOutcome.ENCRYPTED, ResumeOutcome.NO_TEXT, ResumeOutcome.TOO_LARGE])
async def test_a_resume_that_cannot_be_read_says_why_and_cannot_be_confirmed(
    drafts: DraftHarness, outcome: ResumeOutcome
) -> None:
    document_id = await drafts.read(ResumeParsing(outcome))
    draft = await drafts.get(document_id)
    assert pb.ResumeDraftFailure.Name(draft.failure) == f"RESUME_DRAFT_FAILURE_{outcome}"
    assert (draft.state, draft.problem != "") == (FAILED, True)
    assert await refusal(drafts.confirm(document_id)) == "RESUME_DRAFT_NOT_READY"


async def test_a_text_file_is_no_resume_that_is_read(drafts: DraftHarness) -> None:
    document_id = await drafts.read(content=TEXT)
    assert (await drafts.get(document_id)).failure == pb.RESUME_DRAFT_FAILURE_UNSUPPORTED
    assert drafts.parser.calls == []


async def test_a_resume_that_takes_too_long_is_tried_again_before_it_is_given_up(
    drafts: DraftHarness,
) -> None:
    document = await drafts.resume(ResumeParsing(ResumeOutcome.TIMED_OUT))
    for _ in range(2):
        assert await refusal(drafts.work()) == "UNAVAILABLE"
        assert (await drafts.get(document.id)).state == PENDING
    await drafts.work()
    assert (await drafts.get(document.id)).failure == pb.RESUME_DRAFT_FAILURE_TIMED_OUT


async def test_an_event_that_comes_again_reads_the_resume_once(drafts: DraftHarness) -> None:
    document_id = await drafts.read()
    before = await drafts.drafts.get(document_id)
    await drafts.work()
    await drafts.work()
    assert len(drafts.parser.calls) == 1
    assert await drafts.drafts.get(document_id) == before


async def test_of_two_workers_with_one_event_one_stores_the_draft(drafts: DraftHarness) -> None:
    document = await drafts.resume()
    await asyncio.gather(drafts.work(), drafts.work())
    stored = await drafts.drafts.get_or_raise(document.id)
    assert (stored.version, stored.attempts) == (1, 1)


async def test_a_missing_content_is_waited_for(drafts: DraftHarness) -> None:
    document = await drafts.resume()
    [key] = await drafts.documents.blob_keys()
    await drafts.documents.blobs.delete(key)
    assert await refusal(drafts.work()) == "UNAVAILABLE"
    assert (await drafts.get(document.id)).state == PENDING


async def test_a_new_version_makes_another_draft_and_a_late_event_of_the_old_one_none(
    drafts: DraftHarness,
) -> None:
    document_id = await drafts.read()
    await drafts.confirm(document_id)
    begun = await drafts.documents.create_version(drafts.student, document_id)
    drafts.parser.answers = {docx(): PARSED}
    await drafts.documents.upload(begun.upload_url, docx())
    await drafts.documents.work(drafts.student)
    assert (await drafts.get(document_id)).state == PENDING
    await drafts.work()
    await drafts.work()
    draft = await drafts.get(document_id)
    assert (draft.state, draft.version) == (READY, 2)


async def test_a_resume_whose_event_was_lost_is_read_after_somebody_asks_for_its_draft(
    drafts: DraftHarness, clock: FixedClock
) -> None:
    document = await drafts.resume()
    outbox = drafts.documents.shards.shard_for(drafts.student.id).db["outbox"]
    await outbox.delete_many({"type": event_type(ResumeReady)})
    assert (await drafts.get(document.id)).state == PENDING
    await drafts.work()
    assert drafts.parser.calls == []
    clock.advance(READ_AGAIN_AFTER)
    for _ in range(3):
        assert (await drafts.get(document.id)).state == PENDING
    assert len(await read_outbox(drafts.documents.shards, ResumeReady, drafts.student.id)) == 1
    await drafts.work()
    assert (await drafts.get(document.id)).state == READY


async def test_when_the_newest_content_is_lost_the_version_before_makes_the_draft(
    drafts: DraftHarness, clock: FixedClock
) -> None:
    document_id = await drafts.read()
    begun = await drafts.documents.create_version(drafts.student, document_id)
    drafts.parser.answers = {pdf(b"one"): PARSED, docx(): PARSED}
    await drafts.documents.upload(begun.upload_url, docx())
    await drafts.documents.work(drafts.student)
    await drafts.work()
    assert (await drafts.get(document_id)).version == 2
    [key] = [key for key in await drafts.documents.blob_keys() if "/2_" in key]
    await drafts.documents.blobs.delete(key)
    await drafts.documents.verify(write=True)
    clock.advance(READ_AGAIN_AFTER)
    assert (await drafts.get(document_id)).state == PENDING
    await drafts.work()
    draft = await drafts.get(document_id)
    assert (draft.state, draft.version) == (READY, 1)


async def test_a_confirmation_that_takes_nothing_leaves_the_draft(drafts: DraftHarness) -> None:
    document_id = await drafts.read()
    nothing = drafts.confirm(document_id, fields=[pb.RESUME_DRAFT_FIELD_SKILLS])
    assert await refusal(nothing) == "INVALID_FIELD"
    assert (await drafts.get(document_id)).state == READY


async def test_a_draft_goes_with_its_document(drafts: DraftHarness) -> None:
    document_id, kept = await drafts.read(), await drafts.read(content=pdf(b"two"))
    await drafts.documents.delete(drafts.student, document_id)
    assert await drafts.drafts.get(document_id) is None
    assert await refusal(drafts.get(document_id)) == "DOCUMENT_NOT_FOUND"
    await drafts.work()
    assert await drafts.drafts.get(document_id) is None
    assert (await drafts.get(kept)).state == READY


async def test_a_document_that_is_deleted_while_it_is_read_leaves_no_draft(drafts: DraftHarness) -> None:
    document = await drafts.resume()
    parse = drafts.parser.parse

    async def parse_while_deleted(content: bytes, media_type: ResumeMediaType) -> ResumeParsing:
        await drafts.documents.delete(drafts.student, document.id)
        return await parse(content, media_type)

    drafts.parser.parse = parse_while_deleted  # type: ignore[method-assign]
    await drafts.work()
    assert await drafts.drafts.get(document.id) is None


async def test_a_discarded_draft_holds_nothing_and_comes_back_with_no_repeat(drafts: DraftHarness) -> None:
    document_id = await drafts.read()
    discarded = await drafts.discard(document_id)
    assert (discarded.state, discarded.name, discarded.HasField("profile")) == (DISCARDED, "", False)
    assert await drafts.discard(document_id) == discarded
    await drafts.work()
    assert await drafts.get(document_id) == discarded
    assert await refusal(drafts.confirm(document_id)) == "RESUME_DRAFT_NOT_READY"


async def test_nobody_reaches_the_draft_of_another_student(drafts: DraftHarness) -> None:
    document_id = await drafts.read()
    for other in (a_student(), Principal(new_id("usr", slot_of(drafts.student.id)), "STUDENT")):
        for call in (drafts.get, drafts.confirm, drafts.discard):
            assert await refusal(call(document_id, other)) == "DOCUMENT_NOT_FOUND"
    assert (await drafts.get(document_id)).state == READY


async def test_a_letter_has_no_draft(drafts: DraftHarness) -> None:
    letter = await drafts.documents.ready(drafts.student, kind=pb.DOCUMENT_KIND_COVER_LETTER)
    for call in (drafts.get, drafts.confirm, drafts.discard):
        assert await refusal(call(letter.id)) == "RESUME_DRAFT_NOT_FOUND"


async def test_a_real_resume_is_read_in_its_own_process(
    shards: Shards, clock: FixedClock, tmp_path: Path
) -> None:
    shared_gazetteer()
    sample = next(each for each in generate_resumes() if each.style.name == "classic")
    store, parser = DiskBlobStore(tmp_path / "blobs"), SandboxedResumeParser(ROOMY)
    documents = DocumentHarness(shards, clock, store, parser=parser)
    drafts = DraftHarness(documents, FakeResumeParser(), a_student())
    document_id = await drafts.read(content=sample.content)
    draft = await drafts.get(document_id)
    assert (draft.state, draft.name) == (READY, sample.truth.name)
    me = await drafts.confirm(document_id)
    assert me.student.education[0].institution == sample.truth.education[0].institution
