"""Drills: something breaks, somebody is called once, and called off once when it is mended."""

import pytest

from tests.observed.pagerduty_receiver import PagerDutyReceiver
from tests.observed.prometheus_client import PrometheusClient
from tests.stack import StackHandle
from tests.waiting import wait_until_blocking

OPERATIONS = "operations@internshipconnect.example"

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]


def test_a_broker_that_stops_calls_somebody_once_and_calls_off_once(
    stack: StackHandle, pagerduty: PagerDutyReceiver, prometheus: PrometheusClient
) -> None:
    def actions() -> list[str]:
        return [each.action for each in pagerduty.about("BrokerIsAway")]

    wait_until_blocking(
        lambda: prometheus.value("min(broker_connected)") == 1, "the broker to be seen", within_s=120.0
    )
    assert actions() == []

    with stack.outages() as stop:
        stop("rabbit")
        wait_until_blocking(lambda: actions() == ["trigger"], "somebody to be called", within_s=240.0)
        # What follows from it keeps silent.
        wait_until_blocking(
            lambda: prometheus.query('ALERTS{alertname="ProcessIsDown", job="rabbit", alertstate="firing"}'),
            "the consequence to fire",
            within_s=240.0,
        )
    wait_until_blocking(lambda: len(actions()) > 1, "it to be called off", within_s=240.0)

    assert actions() == ["trigger", "resolve"]
    assert len({each.key for each in pagerduty.about("BrokerIsAway")}) == 1
    assert [each for each in pagerduty.about("ProcessIsDown") if "rabbit" in each.firing] == []


def test_a_wrong_limit_is_a_ticket_in_the_mailbox_and_calls_nobody(
    stack: StackHandle, pagerduty: PagerDutyReceiver
) -> None:
    [limits, *_] = sorted(stack.topology.limits_folder.glob("*.yaml"))
    former = limits.read_text()
    try:
        limits.write_text(former.replace("requests_per_unit:", "requests_per_moon:"))
        mail = stack.await_mail(OPERATIONS, "FIRING ticket: LimitsAreRefused", within_s=120.0)
    finally:
        limits.write_text(former)

    assert "the old ones stay" in mail["text"]
    assert pagerduty.about("LimitsAreRefused") == []
