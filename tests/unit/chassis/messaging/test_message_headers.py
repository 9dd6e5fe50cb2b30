"""A message carries its failures: how many, the last one, the first one's time and where it came from."""

from datetime import UTC, datetime

from chassis.messaging.message_headers import FailureHeaders, add_failure, clear_failures

ORIGIN = "user.student.registered"


def failed_once() -> dict[str, object]:
    return add_failure({"traceparent": "x"}, attempt=1, error="first", queue="q", routing_key=ORIGIN)


def test_a_message_that_never_failed_has_no_failures() -> None:
    assert FailureHeaders.parse({}) == FailureHeaders(attempts=0, error="", first_failed_at=None)


def test_a_failure_is_read_as_it_was_written() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    read = FailureHeaders.parse(failed_once())
    assert (read.attempts, read.error) == (1, "first")
    assert read.first_failed_at is not None
    assert before <= read.first_failed_at <= datetime.now(UTC)


def test_later_failures_keep_the_first_ones_time_and_the_original_routing_key() -> None:
    once = failed_once() | {"x-first-failure": "2026-03-03T00:00:00+00:00"}
    twice = add_failure(once, attempt=2, error="e" * 2_000, queue="q", routing_key="q")
    assert twice == {
        "x-attempts": 2,
        "x-error": "e" * 1_000,
        "x-first-failure": "2026-03-03T00:00:00+00:00",
        "x-queue": "q",
        "x-original-routing-key": ORIGIN,
    }


def test_a_message_that_starts_again_keeps_only_its_original_routing_key() -> None:
    assert clear_failures(failed_once()) == {"x-original-routing-key": ORIGIN}


def test_a_time_that_is_none_is_left_out() -> None:
    assert FailureHeaders.parse({"x-first-failure": "yesterday"}).first_failed_at is None
