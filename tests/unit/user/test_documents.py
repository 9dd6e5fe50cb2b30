"""A student's documents: states of versions, quotas, defaults; and any sequence of changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chassis.errors import DomainError
from services.user.domain.document_events import (
    DocumentContentsWereReleased,
    DocumentContentWasReceived,
    ResumeBecameReady,
    document_events,
)
from services.user.domain.documents import (
    DOCUMENT_TRANSITIONS,
    MAX_CONTENT_BYTES,
    MAX_DOCUMENTS,
    MAX_KEPT_VERSIONS,
    MAX_TOTAL_BYTES,
    UPLOAD_WINDOW,
    DocumentKind,
    DocumentState,
    DocumentVersion,
    QuarantineReason,
    ReceivedContent,
    StudentDocuments,
    blob_key_of,
    check_document,
    student_of_blob_key,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
STUDENT = "usr_01JD0000000000000000000000"
FINE = QuarantineReason.UNSPECIFIED
RESUME, LETTER = DocumentKind.RESUME, DocumentKind.COVER_LETTER
EMPTY = StudentDocuments(STUDENT)


def content(key: str = "key", size_bytes: int = 100, sha256: str = "") -> ReceivedContent:
    return ReceivedContent(key, "application/pdf", size_bytes, sha256 or f"hash of {key}")


def begun(*document_ids: str, kind: DocumentKind = RESUME) -> StudentDocuments:
    documents = EMPTY
    for document_id in document_ids:
        documents = documents.with_document(document_id, kind, f"{document_id}.pdf", NOW)
    return documents


def ready(document_id: str = "doc_a", key: str = "key") -> StudentDocuments:
    received = begun(document_id).with_content(document_id, 1, content(key), NOW)
    return received.with_verdict(document_id, 1, FINE, NOW)


def refused(change: Callable[[], Any]) -> str:
    with pytest.raises(DomainError) as failure:
        change()
    return failure.value.reason


def state_of(documents: StudentDocuments, document_id: str = "doc_a") -> DocumentState:
    return documents.find_or_raise(document_id).state


def test_a_document_goes_from_its_upload_over_its_check_to_ready() -> None:
    documents = begun("doc_a")
    assert state_of(documents) is DocumentState.UPLOADING
    documents = documents.with_content("doc_a", 1, content(), NOW)
    assert state_of(documents) is DocumentState.SCANNING
    documents = documents.with_verdict("doc_a", 1, FINE, NOW)
    assert state_of(documents) is DocumentState.READY


def test_a_harmful_content_stays_in_quarantine_with_its_reason() -> None:
    documents = begun("doc_a").with_content("doc_a", 1, content(), NOW)
    documents = documents.with_verdict("doc_a", 1, QuarantineReason.MALWARE, NOW)
    assert state_of(documents) is DocumentState.QUARANTINED
    [version] = documents.find_or_raise("doc_a").versions
    assert version.quarantine_reason is QuarantineReason.MALWARE
    assert documents.with_verdict("doc_a", 1, FINE, NOW) is documents
    assert documents.find_or_raise("doc_a").find_version(0) is None


@pytest.mark.parametrize("source", list(DOCUMENT_TRANSITIONS))
@pytest.mark.parametrize("target", list(DOCUMENT_TRANSITIONS))
def test_a_version_moves_only_as_the_table_says(source: DocumentState, target: DocumentState) -> None:
    version = DocumentVersion(1, NOW, NOW + UPLOAD_WINDOW, state=source)
    moves: dict[DocumentState, Callable[[], DocumentVersion]] = {
        DocumentState.SCANNING: lambda: version.with_content(content(), NOW),
        DocumentState.READY: lambda: version.with_verdict(FINE),
        DocumentState.QUARANTINED: lambda: version.with_verdict(QuarantineReason.MALWARE),
    }
    if target not in moves:
        assert all(target not in targets for targets in DOCUMENT_TRANSITIONS.values())
    elif target in DOCUMENT_TRANSITIONS[source]:
        assert moves[target]().state is target
    else:
        with pytest.raises(ValueError, match="does not become"):
            moves[target]()


def test_the_same_content_again_changes_nothing_and_another_one_is_refused() -> None:
    documents = begun("doc_a").with_content("doc_a", 1, content("one", sha256="same"), NOW)
    assert documents.with_content("doc_a", 1, content("two", sha256="same"), NOW) is documents
    assert refused(lambda: documents.with_content("doc_a", 1, content("two"), NOW)) == "LINK_INVALID"


@pytest.mark.parametrize(("document_id", "number"), [("doc_b", 1), ("doc_a", 2), ("doc_a", 0)])
def test_a_content_of_no_version_is_refused(document_id: str, number: int) -> None:
    documents = begun("doc_a")
    assert refused(lambda: documents.with_content(document_id, number, content(), NOW)) == "LINK_INVALID"


def test_a_content_that_comes_too_late_is_refused_and_its_document_is_gone() -> None:
    late, documents = NOW + UPLOAD_WINDOW, begun("doc_a")
    assert refused(lambda: documents.with_content("doc_a", 1, content(), late)) == "LINK_INVALID"
    assert documents.seen_at(late - timedelta(seconds=1)) is documents
    assert documents.seen_at(late).documents == ()


def test_an_abandoned_version_leaves_the_one_before() -> None:
    documents = ready().with_new_version("doc_a", NOW)
    assert state_of(documents) is DocumentState.UPLOADING
    assert state_of(documents.seen_at(NOW + UPLOAD_WINDOW)) is DocumentState.READY


def test_a_new_version_takes_the_place_of_one_that_waits_and_its_number_is_not_used_again() -> None:
    documents = begun("doc_a").with_new_version("doc_a", NOW)
    assert [each.number for each in documents.find_or_raise("doc_a").versions] == [2]
    assert refused(lambda: documents.with_content("doc_a", 1, content(), NOW)) == "LINK_INVALID"
    assert state_of(documents.with_content("doc_a", 2, content(), NOW)) is DocumentState.SCANNING


def test_the_newest_ready_version_is_used_while_a_newer_one_is_checked() -> None:
    documents = ready().with_new_version("doc_a", NOW).with_content("doc_a", 2, content("two"), NOW)
    used = documents.find_or_raise("doc_a").find_version(0)
    assert used is not None and used.number == 1
    used = documents.with_verdict("doc_a", 2, FINE, NOW).find_or_raise("doc_a").find_version(0)
    assert used is not None and used.number == 2


def test_only_the_newest_versions_are_kept() -> None:
    documents = begun("doc_a")
    for number in range(1, MAX_KEPT_VERSIONS + 3):
        documents = documents.with_content("doc_a", number, content(str(number)), NOW)
        documents = documents.with_new_version("doc_a", NOW)
    numbers = [each.number for each in documents.find_or_raise("doc_a").versions]
    assert numbers == [*range(3, MAX_KEPT_VERSIONS + 3), MAX_KEPT_VERSIONS + 3]


def test_the_number_of_documents_is_bounded() -> None:
    documents = begun(*(f"doc_{number}" for number in range(MAX_DOCUMENTS)))
    reason = refused(lambda: documents.with_document("doc_x", RESUME, "x", NOW))
    assert reason == "DOCUMENT_QUOTA_EXCEEDED"
    fewer = documents.without_document("doc_3")
    assert fewer.with_document("doc_x", RESUME, "x", NOW).find_document("doc_x") is not None


def test_the_size_of_all_documents_is_bounded_and_the_error_names_it() -> None:
    documents = begun("doc_a", "doc_b")
    documents = documents.with_content("doc_a", 1, content(size_bytes=MAX_TOTAL_BYTES - 10), NOW)
    with pytest.raises(DomainError) as failure:
        documents.with_content("doc_b", 1, content("b", MAX_CONTENT_BYTES), NOW)
    assert failure.value.reason == "DOCUMENT_QUOTA_EXCEEDED"
    assert "10 MB" in failure.value.message and "100 MB" in failure.value.message
    assert documents.with_content("doc_b", 1, content("b", 10), NOW).total_bytes == MAX_TOTAL_BYTES


def test_the_first_of_a_kind_is_its_default_until_another_one_is_chosen() -> None:
    documents = begun("doc_a", "doc_b").with_document("doc_c", LETTER, "c", NOW)
    assert [each.id for each in documents.documents if each.is_default] == ["doc_a", "doc_c"]
    documents = documents.with_edit("doc_b", lambda found: replace(found, is_default=True), NOW)
    assert [each.id for each in documents.documents if each.is_default] == ["doc_b", "doc_c"]


def test_the_newest_takes_over_from_a_default_that_is_deleted() -> None:
    documents = begun("doc_a", "doc_b", "doc_c").without_document("doc_a")
    assert [each.id for each in documents.documents if each.is_default] == ["doc_c"]


def test_a_document_keeps_a_name_and_a_default_cannot_be_unset() -> None:
    before = begun("doc_a").find_or_raise("doc_a")
    after = replace(before, name=" \u200b", is_default=False)
    assert [each.field for each in check_document(before, after)] == ["name", "isDefault"]
    assert check_document(before, replace(before, name="other")) == ()


def test_what_does_not_exist_can_be_neither_changed_nor_deleted() -> None:
    for change in (
        lambda: EMPTY.without_document("doc_a"),
        lambda: EMPTY.with_new_version("doc_a", NOW),
        lambda: EMPTY.with_edit("doc_a", lambda found: found, NOW),
        lambda: EMPTY.find_or_raise("doc_a"),
    ):
        assert refused(change) == "DOCUMENT_NOT_FOUND"


@pytest.mark.parametrize(
    ("reason", "kept"),
    [(FINE, QuarantineReason.CONTENT_LOST), (QuarantineReason.MALWARE, QuarantineReason.MALWARE)],
)
def test_a_lost_content_ends_in_quarantine_and_counts_no_more(
    reason: QuarantineReason, kept: QuarantineReason
) -> None:
    documents = begun("doc_a").with_content("doc_a", 1, content(), NOW).with_verdict("doc_a", 1, reason, NOW)
    lost = documents.with_lost_content("doc_a", "key", NOW)
    [version] = lost.find_or_raise("doc_a").versions
    assert (version.state, version.quarantine_reason) == (DocumentState.QUARANTINED, kept)
    assert (lost.total_bytes, lost.blob_keys()) == (0, frozenset())
    assert lost.with_lost_content("doc_a", "key", NOW) is lost
    assert lost.with_lost_content("doc_x", "key", NOW) is lost


def test_events_tell_of_contents_that_came_and_of_contents_that_nothing_holds() -> None:
    before = begun("doc_a")
    received = before.with_content("doc_a", 1, content("one"), NOW)
    assert document_events(before, received) == (DocumentContentWasReceived(STUDENT, "doc_a", 1),)
    assert document_events(received, received.with_verdict("doc_a", 1, QuarantineReason.MALWARE, NOW)) == ()
    gone = received.without_document("doc_a")
    assert document_events(received, gone) == (DocumentContentsWereReleased(STUDENT, ("one",)),)


def test_a_resume_that_passes_its_check_is_an_event_once_and_no_other_document_is() -> None:
    received = begun("doc_a").with_content("doc_a", 1, content("one"), NOW)
    checked = received.with_verdict("doc_a", 1, FINE, NOW)
    assert document_events(received, checked) == (ResumeBecameReady(STUDENT, "doc_a", 1),)
    newer = checked.with_new_version("doc_a", NOW).with_content("doc_a", 2, content("two"), NOW)
    assert document_events(checked, newer) == (DocumentContentWasReceived(STUDENT, "doc_a", 2),)
    assert document_events(newer, newer.with_verdict("doc_a", 2, FINE, NOW)) == (
        ResumeBecameReady(STUDENT, "doc_a", 2),
    )
    letter = begun("doc_b", kind=LETTER).with_content("doc_b", 1, content("three"), NOW)
    assert document_events(letter, letter.with_verdict("doc_b", 1, FINE, NOW)) == ()


def test_what_is_stored_names_the_time_of_the_oldest_unchecked_content() -> None:
    documents = begun("doc_a", "doc_b").with_content("doc_b", 1, content("b"), NOW + timedelta(minutes=1))
    documents = documents.with_content("doc_a", 1, content("a"), NOW).with_next_version()
    assert (documents.scan_pending_since, documents.version) == (NOW, 1)
    documents = documents.with_verdict("doc_a", 1, FINE, NOW).with_verdict("doc_b", 1, FINE, NOW)
    assert documents.with_next_version().scan_pending_since is None


def test_a_key_names_its_student_and_no_other_key_does() -> None:
    assert student_of_blob_key(blob_key_of(STUDENT, "doc_a", 1, "x")) == STUDENT
    assert student_of_blob_key(f"others/{STUDENT}/doc_a/1_x") == ""


class AnySequence(RuleBasedStateMachine):
    """No sequence of changes breaks a quota, a default or a state, or forgets a content without saying so."""

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.documents = StudentDocuments(STUDENT)
        self.stored: set[str] = set()
        self.count = 0

    def change(self, change: Callable[[StudentDocuments], StudentDocuments]) -> None:
        before = self.documents
        try:
            after = change(before.seen_at(self.now))
        except DomainError:
            return
        for event in document_events(before, after):
            if isinstance(event, DocumentContentsWereReleased):
                self.stored -= set(event.blob_keys)
        self.documents = after

    def some(self, data: st.DataObject) -> tuple[str, int]:
        found = [(document.id, version.number) for document, version in self.documents.all_versions()]
        return data.draw(st.sampled_from([*found, ("doc_x", 1)]))

    @rule(kind=st.sampled_from([RESUME, LETTER]))
    def begin_document(self, kind: DocumentKind) -> None:
        self.count += 1
        self.change(lambda all_of: all_of.with_document(f"doc_{self.count}", kind, "name", self.now))

    @rule(data=st.data())
    def begin_version(self, data: st.DataObject) -> None:
        document_id, _ = self.some(data)
        self.change(lambda all_of: all_of.with_new_version(document_id, self.now))

    @rule(data=st.data(), size=st.integers(1, MAX_CONTENT_BYTES))
    def receive(self, data: st.DataObject, size: int) -> None:
        document_id, number = self.some(data)
        self.count += 1
        key = f"key {self.count}"
        self.change(lambda all_of: all_of.with_content(document_id, number, content(key, size), self.now))
        if key in self.documents.blob_keys():
            self.stored.add(key)

    @rule(data=st.data(), reason=st.sampled_from([FINE, FINE, QuarantineReason.MALWARE]))
    def check(self, data: st.DataObject, reason: QuarantineReason) -> None:
        document_id, number = self.some(data)
        self.change(lambda all_of: all_of.with_verdict(document_id, number, reason, self.now))

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        for key in sorted(self.documents.blob_keys())[:1]:
            document_id, _ = self.some(data)
            self.change(lambda all_of: all_of.with_lost_content(document_id, key, self.now))  # noqa: B023

    @rule(data=st.data())
    def choose(self, data: st.DataObject) -> None:
        document_id, _ = self.some(data)
        self.change(
            lambda all_of: all_of.with_edit(document_id, lambda one: replace(one, is_default=True), self.now)
        )

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        document_id, _ = self.some(data)
        self.change(lambda all_of: all_of.without_document(document_id))

    @rule(minutes=st.integers(1, 20))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def quotas_hold(self) -> None:
        assert len(self.documents.documents) <= MAX_DOCUMENTS
        assert self.documents.total_bytes <= MAX_TOTAL_BYTES

    @invariant()
    def each_kind_has_one_default(self) -> None:
        kinds = {each.kind for each in self.documents.documents}
        defaults = [each.kind for each in self.documents.documents if each.is_default]
        assert sorted(defaults) == sorted(kinds)

    @invariant()
    def versions_are_in_order_and_few_and_at_most_one_waits(self) -> None:
        for document in self.documents.documents:
            numbers = [each.number for each in document.versions]
            assert numbers == sorted(set(numbers))
            assert 1 <= len(numbers) <= MAX_KEPT_VERSIONS + 1
            waiting = [each.number for each in document.versions if each.state is DocumentState.UPLOADING]
            assert waiting in ([], numbers[-1:])

    @invariant()
    def every_stored_content_is_held_by_a_version(self) -> None:
        assert self.stored == self.documents.blob_keys()


TestAnySequence = AnySequence.TestCase
