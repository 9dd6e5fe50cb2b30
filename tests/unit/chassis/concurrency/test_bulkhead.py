"""Places at a dependency."""

import pytest
from prometheus_client import REGISTRY

from chassis.concurrency.bulkhead import Bulkhead
from chassis.errors import DomainError


def test_a_call_beyond_the_bound_is_refused_and_a_place_that_is_given_back_is_taken_again() -> None:
    bulkhead = Bulkhead("a peer under test", max_concurrent=2, label="service/tested")
    with bulkhead.acquire():
        with bulkhead.acquire():
            with pytest.raises(DomainError) as caught, bulkhead.acquire():
                pass
            assert caught.value.reason == "OVERLOADED"
            assert caught.value.retry_after_s is not None
        with bulkhead.acquire():
            assert _shown("bulkhead_in_use") == 2
    assert _shown("bulkhead_in_use") == 0
    assert _shown("bulkhead_refused_total") == 1


def test_a_call_that_fails_gives_its_place_back() -> None:
    bulkhead = Bulkhead("another peer under test", max_concurrent=1, label="service/another")
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"), bulkhead.acquire():
            raise ValueError("broken")


def _shown(name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"dependency": "service/tested"})
