"""The trace store: which traces it keeps and finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.traces.store import TraceQuery, TraceStore
from tests.unit.devstack.traces.builders import START_US, TRACE, make_span

OTHER_TRACE = "1" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    store = TraceStore(tmp_path / "spans.sqlite", max_spans=100)
    yield store
    store.close()


def _found(store: TraceStore, **query: object) -> list[str]:
    return [spans[0].trace_id for spans in store.find(TraceQuery(**query))]  # type: ignore[arg-type]


def test_spans_are_still_there_after_a_restart(store: TraceStore, tmp_path: Path) -> None:
    span = make_span(attributes={"rpc": "x", "tries": 2, "hedged": False})
    store.add([span])
    store.close()
    again = TraceStore(tmp_path / "spans.sqlite")
    assert again.trace(TRACE) == [span]
    assert len(again) == 1


def test_a_span_that_is_sent_again_is_stored_once(store: TraceStore) -> None:
    store.add([make_span(1), make_span(2)])
    store.add([make_span(2), make_span(3)])
    assert len(store) == len(store.trace(TRACE)) == 3


def test_the_oldest_spans_are_deleted_for_the_newest(store: TraceStore) -> None:
    for batch in range(30):
        store.add([make_span(number, start_us=number) for number in range(batch * 10, batch * 10 + 10)])
        assert len(store) <= 100
    kept = [span.start_us for span in store.trace(TRACE)]
    assert len(kept) == len(store) > 90
    assert kept == list(range(300 - len(kept), 300))


def test_a_batch_larger_than_the_bound_leaves_no_more_than_the_bound(store: TraceStore) -> None:
    store.add([make_span(number, start_us=number) for number in range(1, 251)])
    assert len(store.trace(TRACE)) == len(store) == 100


def test_traces_are_found_by_each_criterion_the_newest_first(store: TraceStore) -> None:
    store.add(
        [
            make_span(1, duration_us=100),
            make_span(2, parent_id="0" * 15 + "1", service="user", name="find", kind="client", is_error=True),
            make_span(
                1, trace_id=OTHER_TRACE, start_us=START_US + 10, attributes={"rpc.code": "OK", "hedged": True}
            ),
        ]
    )
    assert _found(store) == [OTHER_TRACE, TRACE]
    assert _found(store, limit=1) == [OTHER_TRACE]
    assert _found(store, service="user") == _found(store, operation="find") == [TRACE]
    assert _found(store, only_errors=True) == [TRACE]
    assert _found(store, max_duration_us=100) == _found(store, end_us=START_US + 9) == [TRACE]
    assert _found(store, start_us=START_US + 1) == [OTHER_TRACE]
    assert _found(store, attributes={"rpc.code": "OK", "hedged": "true"}) == [OTHER_TRACE]
    assert _found(store, attributes={"rpc.code": "ok"}) == _found(store, service="none") == []
    assert len(store.find(TraceQuery(service="user"))[0]) == 2


def test_services_operations_and_who_calls_whom_are_listed(store: TraceStore) -> None:
    parent = make_span(1).span_id
    store.add(
        [
            make_span(1),
            make_span(2, parent_id=parent, name="out", kind="client"),
            make_span(3, parent_id=parent, service="user", name="in"),
            make_span(4, parent_id=parent, service="user", name="in"),
        ]
    )
    assert store.services() == ["auth", "user"]
    assert store.operations("auth") == [("auth.v1.Auth/Login", "server"), ("out", "client")]
    assert store.operations("auth", "client") == [("out", "client")]
    assert store.dependencies(0, 2 * START_US) == [("auth", "user", 2)]
    assert store.dependencies(0, START_US - 1) == []
