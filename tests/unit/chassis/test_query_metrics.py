"""Durations of commands: counted by operation and collection, also of those that fail."""

import pytest

from chassis.observability.query_metrics import QUERY_BUCKETS_S, QueryMetricsCollector


def samples(metrics: QueryMetricsCollector) -> dict[tuple[str, ...], float]:
    [family] = metrics.collect()
    return {
        (each.name, *(each.labels.get(name, "") for name in ("operation", "collection", "le"))): each.value
        for each in family.samples
    }


def test_a_duration_is_in_its_bucket_and_in_all_larger_ones() -> None:
    metrics = QueryMetricsCollector()
    metrics.timer_of("find", "users").add(0.003)
    found = samples(metrics)

    name = "database_query_duration_seconds"
    assert found[f"{name}_bucket", "find", "users", "0.0025"] == 0
    assert found[f"{name}_bucket", "find", "users", "0.005"] == 1
    assert found[f"{name}_bucket", "find", "users", "+Inf"] == 1
    assert found[f"{name}_count", "find", "users", ""] == 1
    assert found[f"{name}_sum", "find", "users", ""] == 0.003


def test_a_command_that_fails_is_measured_too() -> None:
    metrics = QueryMetricsCollector()
    timer = metrics.timer_of("insert_one", "users")
    with pytest.raises(ValueError, match="no"), timer.measure():
        raise ValueError("no")
    assert samples(metrics)["database_query_duration_seconds_count", "insert_one", "users", ""] == 1


def test_an_operation_on_a_collection_has_one_timer() -> None:
    metrics = QueryMetricsCollector()
    for _ in range(3):
        metrics.timer_of("find", "users").add(1)
    metrics.timer_of("find", "companies").add(1)
    assert len(samples(metrics)) == 2 * (len(QUERY_BUCKETS_S) + 1 + 2)
