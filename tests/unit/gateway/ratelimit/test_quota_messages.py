"""The messages of quotas: how they are read, and refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ratelimit.quota_messages import (
    MAX_REPORTED_BUCKETS,
    InvalidReportError,
    QuotaAssignment,
    QuotaReport,
    QuotaState,
    format_assignments,
    parse_reports,
)


def test_a_line_is_a_bucket_with_its_counts() -> None:
    message = b"class=SEARCH,plan=FREE,user=usr_1 1 2 3 4 5 6\nclass=SEARCH,address=2001:db8::/64 0 0 1 0 0 0"
    first = (("class", "SEARCH"), ("plan", "FREE"), ("user", "usr_1"))
    assert parse_reports(message) == [
        QuotaReport(first, 1, 2, 3, 4, 5, 6),
        QuotaReport((("class", "SEARCH"), ("address", "2001:db8::/64")), owed=1),
    ]


def test_characters_that_could_be_separators_come_encoded() -> None:
    [report] = parse_reports(b"user=a%2Cb%3D%20c 0 0 0 0 0 0")
    assert report
    assert report.entries == (("user", "a,b= c"),)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"user=a",
        b"user=a 1 2 3 4 5",
        b"user=a 1 2 3 4 5 -6",
        b"user 1 2 3 4 5 6",
        b"a=b, 1 2 3 4 5 6",
        b"a=,b=c 1 2 3 4 5 6",
    ],
)
def test_another_line_is_left_out_and_the_others_count(line: bytes) -> None:
    counted = QuotaReport((("user", "a"),), 1, 2, 3, 4, 5, 6)
    message = b"user=a 1 2 3 4 5 6\n" + line + b"\nuser=a 1 2 3 4 5 6"
    assert parse_reports(message) == [counted, None, counted]


def test_too_long_a_message_is_refused_with_the_bound() -> None:
    line = b"user=a 1 2 3 4 5 6"
    assert len(parse_reports(b"\n".join([line] * MAX_REPORTED_BUCKETS))) == MAX_REPORTED_BUCKETS
    with pytest.raises(InvalidReportError, match=f"allowed: {MAX_REPORTED_BUCKETS}"):
        parse_reports(b"\n".join([line] * (MAX_REPORTED_BUCKETS + 1)))


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(message: bytes) -> None:
    try:
        parse_reports(message)
    except InvalidReportError as error:
        assert "line" in str(error)


def test_an_answer_rounds_times_up_to_milliseconds() -> None:
    limited = QuotaAssignment(QuotaState.LIMITED, 2, 3, 10, 60, 0.0001, 1.5, 7, '"SEARCH"')
    unlimited = QuotaAssignment(QuotaState.UNLIMITED)
    assert format_assignments([limited, unlimited]) == (
        b'limited 2 3 10 60000 1 1500 7 "SEARCH"\nunlimited 0 0 0 0 0 0 0 -'
    )
