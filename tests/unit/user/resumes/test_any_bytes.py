"""No bytes make the readers of files fail in another way than by an outcome."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.user.domain.resumes import ResumeMediaType, ResumeOutcome
from services.user.resumes.parse import parse_to_outcome
from tests.unit.user.resumes.hostile_files import plain_docx, sample

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_BASES = st.sampled_from([(ResumeMediaType.PDF, sample("classic")), (ResumeMediaType.DOCX, plain_docx())])
_CHANGE = st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6))


@SLOW
@given(
    st.sampled_from(ResumeMediaType),
    st.binary(max_size=400),
    st.sampled_from([b"", b"%PDF-1.7\n", b"PK\x03\x04"]),
)
def test_any_bytes_end_in_an_outcome(media_type: ResumeMediaType, content: bytes, head: bytes) -> None:
    assert parse_to_outcome(head + content, media_type).outcome in ResumeOutcome


@SLOW
@given(_BASES, st.lists(_CHANGE, min_size=1, max_size=8))
def test_a_file_with_some_bytes_changed_ends_in_an_outcome(
    base: tuple[ResumeMediaType, bytes], changes: list[tuple[float, bytes]]
) -> None:
    media_type, content = base
    for place, other in changes:
        at = int(place * len(content))
        content = content[:at] + other + content[at + len(other) :]

    assert parse_to_outcome(content, media_type).outcome in ResumeOutcome


@SLOW
@given(_BASES, st.floats(0, 1))
def test_a_truncated_file_ends_in_an_outcome(base: tuple[ResumeMediaType, bytes], share: float) -> None:
    media_type, content = base

    assert parse_to_outcome(content[: int(share * len(content))], media_type).outcome in ResumeOutcome
