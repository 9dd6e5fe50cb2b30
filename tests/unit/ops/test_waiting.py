"""Waiting ends with the first answer that is accepted, or with the last one when the time is over."""

from ops.waiting import wait_until, wait_until_async


def test_waiting_ends_with_the_first_true_answer() -> None:
    answers = iter([0, 0, 7, 8])

    assert wait_until(lambda: next(answers), timeout_s=60, interval_s=0) == 7
    assert next(answers) == 8


def test_waiting_ends_with_what_the_caller_accepts() -> None:
    answers = iter([["a", "b"], ["b"], []])

    assert wait_until(lambda: next(answers), timeout_s=60, interval_s=0, is_done=lambda left: not left) == []


def test_the_last_answer_says_that_the_time_is_over() -> None:
    asked = 0

    def probe() -> int:
        nonlocal asked
        asked += 1
        return 0

    assert wait_until(probe, timeout_s=0.02, interval_s=0.001, interval_growth=2) == 0
    assert 2 <= asked < 10


async def test_waiting_on_an_event_loop_is_the_same() -> None:
    answers = iter([0, 7])

    async def probe() -> int:
        return next(answers, 0)

    assert await wait_until_async(probe, timeout_s=60, interval_s=0) == 7
    assert await wait_until_async(probe, timeout_s=0.01, interval_s=0.001) == 0
