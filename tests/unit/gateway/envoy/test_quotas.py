"""Quotas: what one worker of a gateway admits, and what several admit together."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.envoy.quota_policy import DEFAULT_QUOTA_POLICY
from gateway.ratelimit.rules import RateLimit, TimeUnit
from tests.unit.gateway.envoy.quota_workers import PUBLIC_CALL, QuotaWorker, VirtualLimiter

WINDOW_MS = 60_000
INTERVAL_MS = round(DEFAULT_QUOTA_POLICY.report_interval_s * 1_000)
SMALL_POLICY = replace(DEFAULT_QUOTA_POLICY, max_buckets=300)
PATIENT_POLICY = replace(DEFAULT_QUOTA_POLICY, report_timeout_s=100_000)
"""No report is given up, so the limiter is never held to be silent."""
MAX_BUCKET_BYTES = 2_000
LEASE_MS = round(DEFAULT_QUOTA_POLICY.lease_s * 1_000)


def per_minute(requests: int) -> RateLimit:
    return RateLimit(requests, TimeUnit.MINUTE)


def share(requests: int) -> int:
    """Return the part of a limit that falls to one reporting interval, at least one."""
    return max(1, -(-requests * INTERVAL_MS // WINDOW_MS))


@pytest.fixture
def limiter() -> Iterator[VirtualLimiter]:
    limiter = VirtualLimiter(per_minute(10))
    yield limiter
    limiter.close()


@pytest.fixture
def worker(limiter: VirtualLimiter) -> QuotaWorker:
    return QuotaWorker(limiter)


def admitted(worker: QuotaWorker, calls: int, user: str = "usr_1") -> int:
    return sum(worker.call(user).status == 200 for _ in range(calls))


def pass_time(limiter: VirtualLimiter, milliseconds: int, *workers: QuotaWorker) -> None:
    limiter.now_ms += milliseconds
    for worker in workers:
        worker.answer_report()


def test_one_worker_admits_exactly_the_limit_and_counts_down(worker: QuotaWorker) -> None:
    answers = [worker.call() for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == [*"9876543210", "0", "0"]
    refused = answers[-1].headers
    assert refused["ratelimit"] == '"SEARCH";r=0;t=60'
    assert refused["ratelimit-policy"] == '"SEARCH";q=10;w=60'
    assert refused["retry-after"] == "60"


def test_a_burst_asks_the_limiter_far_less_often_than_it_calls(limiter: VirtualLimiter) -> None:
    limiter.limit = per_minute(1_000)
    worker = QuotaWorker(limiter)
    assert admitted(worker, 1_000) == 1_000
    assert limiter.asked <= 15


def test_a_caller_who_keeps_to_the_limit_never_waits_for_the_limiter_again(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    worker.call()
    asked = limiter.asked
    for _ in range(30):
        pass_time(limiter, WINDOW_MS // 8, worker)
        assert worker.call().status == 200
        worker.answer_report()
    assert limiter.asked == asked


def test_a_new_caller_of_a_known_plan_does_not_wait(limiter: VirtualLimiter, worker: QuotaWorker) -> None:
    worker.call("usr_1")
    asked = limiter.asked
    answer = worker.call("usr_2")
    assert answer.headers["x-ratelimit-remaining"] == "9"
    assert limiter.asked == asked


def test_a_caller_without_a_limit_waits_once(limiter: VirtualLimiter) -> None:
    limiter.limit = None
    worker = QuotaWorker(limiter)
    answers = [worker.call() for _ in range(500)]
    assert {answer.status for answer in answers} == {200}
    assert not any("x-ratelimit-limit" in answer.headers for answer in answers)
    assert limiter.asked == 1


def test_a_refused_caller_costs_the_limiter_nothing(limiter: VirtualLimiter, worker: QuotaWorker) -> None:
    admitted(worker, 11)
    asked = limiter.asked
    assert admitted(worker, 1_000) == 0
    assert limiter.asked == asked


def test_a_refused_caller_passes_at_the_retry_time_and_not_before(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    admitted(worker, 11)
    retry_after_s = int(worker.call().headers["retry-after"])
    pass_time(limiter, (retry_after_s - 1) * 1_000 - 1)
    assert worker.call().status == 429
    pass_time(limiter, 1_001)
    assert worker.call().status == 200


def test_a_report_is_sent_once_an_interval_and_holds_all_callers(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    for number in range(50):
        worker.call(f"usr_{number}")
    assert worker.reports == 1
    pass_time(limiter, INTERVAL_MS, worker)
    worker.call("usr_0")
    assert worker.reports == 2
    assert len(worker.unanswered[0].splitlines()) == 50


def test_what_one_worker_admitted_another_one_learns_within_an_interval(limiter: VirtualLimiter) -> None:
    here, there = QuotaWorker(limiter), QuotaWorker(limiter)
    there.call()
    assert admitted(here, 12) <= 10
    pass_time(limiter, INTERVAL_MS, here, there)
    there.call()
    pass_time(limiter, INTERVAL_MS, here, there)
    assert there.call().status == 429


def test_an_unused_lease_is_given_back_to_other_workers(limiter: VirtualLimiter) -> None:
    limiter.limit = per_minute(100)
    here, there = QuotaWorker(limiter), QuotaWorker(limiter)
    admitted(here, 40)
    pass_time(limiter, LEASE_MS, here)
    here.call()
    pass_time(limiter, INTERVAL_MS, here)
    here.call()
    here.answer_report()
    assert admitted(there, 100) >= 50


@pytest.mark.parametrize("at_once", [2, 20, 60])
def test_calls_that_ask_at_once_use_up_no_more_than_they_make(
    limiter: VirtualLimiter, worker: QuotaWorker, at_once: int
) -> None:
    limiter.limit = per_minute(100)
    answers = worker.call_at_once(at_once)
    for pause_ms in (INTERVAL_MS, 2 * LEASE_MS):
        pass_time(limiter, pause_ms, worker)
        answers += [worker.call()]
    assert {answer.status for answer in answers} == {200}
    assert all(int(answer.headers["x-ratelimit-remaining"]) <= 100 for answer in answers)
    answers += [worker.call() for _ in range(100)]
    # What was given back in between is known with the answer to its report.
    worker.answer_report()
    answers += [worker.call() for _ in range(100)]
    assert sum(answer.status == 200 for answer in answers) in range(98, 103)


def test_calls_that_ask_at_once_are_admitted_up_to_the_limit(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    assert sum(answer.status == 200 for answer in worker.call_at_once(30)) == 10
    assert worker.call().status == 429


def test_the_lease_of_a_caller_who_went_away_is_given_back_by_others(limiter: VirtualLimiter) -> None:
    limiter.limit = per_minute(100)
    here, there = QuotaWorker(limiter), QuotaWorker(limiter)
    admitted(here, 40)
    for _ in range(4):
        here.call("usr_2")
        pass_time(limiter, INTERVAL_MS, here)
    assert admitted(there, 100) >= 55


def test_a_raised_limit_reaches_a_refused_caller_within_an_interval(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    admitted(worker, 11)
    worker.answer_report()
    limiter.limit = per_minute(20)
    pass_time(limiter, INTERVAL_MS)
    worker.call()
    worker.answer_report()
    assert admitted(worker, 20) == 10


def test_a_limit_that_comes_to_an_unlimited_caller_holds_within_an_interval(limiter: VirtualLimiter) -> None:
    limiter.limit = None
    worker = QuotaWorker(limiter)
    admitted(worker, 5)
    worker.answer_report()
    limiter.limit = per_minute(10)
    pass_time(limiter, INTERVAL_MS)
    worker.call()
    worker.answer_report()
    assert admitted(worker, 20) <= 10


def test_the_keys_of_a_company_share_its_allowance(worker: QuotaWorker) -> None:
    answers = [worker.call_with_key(f"key_{number % 3}", "cmp_1").status for number in range(30)]
    assert answers.count(200) == [worker.call().status for _ in range(30)].count(200)
    assert 429 in answers
    assert worker.call_with_key("key_9", "cmp_2").status == 200


def test_a_caller_without_a_plan_is_limited_and_keeps_nobody_from_being_counted(worker: QuotaWorker) -> None:
    assert [worker.call("usr_2", plan="").status for _ in range(12)] == [200] * 10 + [429] * 2
    answer = worker.call("usr_3")
    assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (200, "9")


def test_another_plan_is_another_allowance_at_once(worker: QuotaWorker) -> None:
    admitted(worker, 11)
    assert worker.call(plan="FREE").status == 429
    assert worker.call(plan="PREMIUM").status == 200


def test_while_the_limiter_is_silent_a_worker_admits_half_of_a_known_limit(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    worker.call("usr_1")
    limiter.is_down = True
    pass_time(limiter, 3 * INTERVAL_MS, worker)
    assert admitted(worker, 20, "usr_2") in (5, 6)
    refused = worker.call("usr_2")
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_while_the_limiter_is_silent_a_new_caller_of_an_unlimited_plan_passes(
    limiter: VirtualLimiter,
) -> None:
    limiter.limit = None
    worker = QuotaWorker(limiter)
    worker.call("usr_1")
    limiter.is_down = True
    assert admitted(worker, 80, "usr_2") == 80


def test_a_worker_that_never_had_an_answer_admits_some_calls_and_not_all(limiter: VirtualLimiter) -> None:
    limiter.is_down = True
    worker = QuotaWorker(limiter)
    assert admitted(worker, 80) == DEFAULT_QUOTA_POLICY.silent_requests
    assert limiter.asked == 1


def test_what_passed_in_silence_is_charged_when_the_limiter_is_back(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    worker.call()
    limiter.is_down = True
    pass_time(limiter, INTERVAL_MS, worker)
    admitted(worker, 20)
    worker.answer_report()
    limiter.is_down = False
    pass_time(limiter, INTERVAL_MS)
    worker.call()
    worker.answer_report()
    assert admitted(worker, 20) <= 5


def test_while_the_counters_are_down_calls_pass(limiter: VirtualLimiter, worker: QuotaWorker) -> None:
    limiter.counters.is_down = True
    assert admitted(worker, 50) == 50


def test_a_limit_in_shadow_mode_refuses_nobody(limiter: VirtualLimiter, worker: QuotaWorker) -> None:
    limiter.is_shadow = True
    answers = [worker.call() for _ in range(50)]
    assert {answer.status for answer in answers} == {200}
    assert not any("x-ratelimit-limit" in answer.headers for answer in answers)


def test_the_networks_around_an_ipv6_client_are_counted_with_it(worker: QuotaWorker) -> None:
    statuses = [worker.call_from(f"[2001:db8:1:{number:x}::1]:443").status for number in range(11)]
    assert statuses == [200] * 10 + [429]
    assert worker.call_from("[2001:db8:2::1]:443").status == 200


def test_classes_have_allowances_of_their_own(worker: QuotaWorker) -> None:
    admitted(worker, 11)
    assert worker.call(path=PUBLIC_CALL).status == 200


def test_typing_letter_by_letter_and_turning_pages_is_one_search(worker: QuotaWorker) -> None:
    text = "python+berlin"
    answers = [worker.search(f"q={text[:length]}") for length in range(1, len(text) + 1)]
    answers += [worker.search(f"q={text}&pageToken={page}") for page in range(5)]
    assert {answer.headers["x-ratelimit-remaining"] for answer in answers} == {"9"}
    assert worker.search(f"q={text}&city=Bern").headers["x-ratelimit-remaining"] == "8"


@pytest.mark.parametrize(
    ("one", "other"),
    [("q=a%20b", "q=A++B"), ("q=x&city=Bern&page_size=9", "city=Bern&q=x"), ("q=x&b=1&a=2", "a=2&q=x&b=1")],
)
def test_spellings_of_one_search_are_one(worker: QuotaWorker, one: str, other: str) -> None:
    remaining = {worker.search(query).headers["x-ratelimit-remaining"] for query in (one, other)}
    assert remaining == {"9"}


@pytest.mark.parametrize(
    ("one", "other"), [("q=python", "q=java"), ("q=x&city=Bern", "q=x&city=Basel"), ("q=", "q=python")]
)
def test_another_text_or_another_filter_is_another_search(worker: QuotaWorker, one: str, other: str) -> None:
    assert [worker.search(query).headers["x-ratelimit-remaining"] for query in (one, other)] == ["9", "8"]


def test_a_refused_caller_may_finish_typing_the_last_search_and_nothing_else(worker: QuotaWorker) -> None:
    for number in range(9):
        worker.search(f"q={number}")
    worker.search("q=pyt")
    assert [worker.search(f"q={text}").status for text in ("java", "python", "java+b")] == [429, 200, 429]


def test_a_search_goes_on_uncounted_thirty_times_and_for_a_minute(
    limiter: VirtualLimiter, worker: QuotaWorker
) -> None:
    answers = [worker.search(f"q={'a' * (1 + number % 2)}") for number in range(32)]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[-2:]] == ["9", "8"]
    pass_time(limiter, WINDOW_MS + 1)
    assert worker.search("q=a").headers["x-ratelimit-remaining"] == "9"


def test_calls_without_a_path_and_paths_too_long_to_compare_count_each_time(worker: QuotaWorker) -> None:
    answers = [worker.search(f"q=python&city={'x' * 5000}") for _ in range(11)]
    assert answers[-1].status == 429


def test_buckets_of_any_number_of_networks_take_bounded_memory(limiter: VirtualLimiter) -> None:
    worker = QuotaWorker(limiter, SMALL_POLICY)
    memory = []
    for number in range(12 * SMALL_POLICY.max_buckets):
        worker.call_from(f"10.{number // 65_536}.{number // 256 % 256}.{number % 256}", path=PUBLIC_CALL)
        if number % SMALL_POLICY.max_buckets == 0:
            pass_time(limiter, INTERVAL_MS, worker)
            memory.append(worker.memory_bytes())
    assert (max(memory) - memory[0]) / SMALL_POLICY.max_buckets < MAX_BUCKET_BYTES


def test_a_flood_of_callers_gives_nobody_credit_time_and_again(limiter: VirtualLimiter) -> None:
    limiter.limit = per_minute(3)
    worker, passed = QuotaWorker(limiter, SMALL_POLICY), 0
    for _ in range(6):
        passed += admitted(worker, 4, "usr_attacker")
        for number in range(SMALL_POLICY.max_buckets):
            worker.call(f"usr_{number}")
        pass_time(limiter, INTERVAL_MS, worker)
    assert passed <= 3 + share(3)


steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0, 1, 10, 400, 1_000, 2_100, 9_000]),
        st.integers(1, 12),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([1, 2, 7, 10, 100, 600]), st.integers(1, 4), steps)
def test_all_workers_together_admit_the_limit_and_a_share_of_an_interval_for_each(
    requests: int, workers: int, steps: list[tuple[int, int, int, bool]]
) -> None:
    limiter = VirtualLimiter(per_minute(requests))
    fleet = [QuotaWorker(limiter, PATIENT_POLICY) for _ in range(workers)]
    log: list[int] = []
    for chosen, gap_ms, calls, is_answered in steps:
        limiter.now_ms += gap_ms
        worker = fleet[chosen % workers]
        log += [limiter.now_ms] * admitted(worker, calls)
        if is_answered:
            worker.answer_report()
    limiter.close()
    extra = workers * share(requests)
    assert sum(at < log[0] + WINDOW_MS for at in log) <= requests + extra
    for since in set(log):
        for until in {at for at in log if since <= at <= since + WINDOW_MS}:
            passed = sum(since <= at <= until for at in log)
            assert passed <= requests * (1 + (until - since + LEASE_MS) / WINDOW_MS) + 2 * extra
