"""The mix has its shares, nobody exceeds a limit, and the layers that answer are counted."""

import json
import math
from collections import Counter
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import pytest

from internshipconnect.common.v1.common_pb2 import Location
from internshipconnect.internship.v1 import internship_pb2 as pb
from verify.bench.cache_counts import CacheCounts
from verify.bench.mix_calls import TEST_NETWORK, HttpCall, build_mix_calls, search_path
from verify.bench.stack_counters import commands_per_call, sum_metric

LISTINGS = [
    pb.Internship(
        id=f"int_{number}",
        title=f"Engineering Intern {number}",
        field="Design" if number % 2 else "Data",
        skills=[pb.SkillNeed(name="Go & C")],
        locations=[Location(city="Köln")],
    )
    for number in range(8)
]
METRICS = """\
# TYPE cache_requests_total counter
cache_requests_total{layer="near",outcome="hit"} 60.0
cache_requests_total{layer="redis",outcome="hit"} 25.0
cache_requests_total{layer="redis",outcome="negative"} 5.0
cache_requests_total{layer="redis",outcome="miss"} 8.0
cache_requests_total{layer="redis",outcome="bypass"} 2.0
cache_requests_total{layer="redis",outcome="stale"} 7.0
cache_requests_total{layer="revocations",outcome="bypass"} 99.0
"""


def mixed(number: int, *, students: int = 100, listings: int = 20) -> list[HttpCall]:
    tokens = [f"token-{i}" for i in range(students)]
    return build_mix_calls(LISTINGS, tokens, [f"int_new_{i}" for i in range(listings)], number)


def test_forty_of_a_hundred_calls_browse_thirty_apply_and_thirty_search() -> None:
    assert Counter(call.kind for call in mixed(100)) == {"browse": 40, "apply": 30, "search": 30}


def test_no_student_applies_twice_to_a_listing() -> None:
    sent = [
        (call.headers["authorization"], json.loads(call.body)["internshipId"])
        for call in mixed(1_000)
        if call.body is not None
    ]
    assert len(sent) == len(set(sent)) == 300
    keys = {call.headers["idempotency-key"] for call in mixed(1_000) if call.kind == "apply"}
    assert len(keys) == 300


def test_the_mix_ends_when_every_student_has_applied_everywhere() -> None:
    assert sum(call.kind == "apply" for call in mixed(1_000, students=3, listings=2)) == 6


def test_readers_have_many_addresses_of_the_network_for_tests_and_no_token() -> None:
    readers = [call for call in mixed(1_000) if call.kind != "apply"]
    addresses = {call.headers["x-forwarded-for"] for call in readers}
    assert len(addresses) == len(readers)
    assert all(ip_address(each) in TEST_NETWORK for each in addresses)
    assert not any("authorization" in call.headers for call in readers)


def test_the_newest_listings_are_browsed_most_and_first_pages_between_them() -> None:
    paths = Counter(call.path for call in mixed(4_000) if call.kind == "browse")
    assert paths["/api/v1/internships/int_0"] > 3 * paths["/api/v1/internships/int_7"] > 0
    pages = sum(count for path, count in paths.items() if "/int_" not in path)
    assert pages == 400


def test_a_search_is_the_query_of_the_json_api() -> None:
    request = pb.ListInternshipsRequest(skills=["Go & C", "SQL"], city="Köln", sort=pb.INTERNSHIP_SORT_NEWEST)
    assert parse_qs(urlsplit(search_path(request)).query) == {
        "skills": ["Go & C", "SQL"],
        "city": ["Köln"],
        "sort": ["INTERNSHIP_SORT_NEWEST"],
    }
    assert search_path(pb.ListInternshipsRequest()) == "/api/v1/internships"


def test_samples_of_a_metric_with_the_labels_are_added_up() -> None:
    assert sum_metric(METRICS, "cache_requests_total", layer="redis", outcome="miss") == 8
    assert sum_metric(METRICS, "cache_requests_total", layer="near") == 60
    assert sum_metric(METRICS, "cache_requests_total", layer="edge") == 0
    assert sum_metric("", "cache_requests_total") == 0


def test_reads_of_all_processes_are_counted_by_the_layer_that_answered() -> None:
    counted = CacheCounts.parse([METRICS, METRICS])
    assert counted == CacheCounts(local=120, redis=60, loaded=20)
    rates = counted.since(CacheCounts(local=20, redis=60, loaded=0)).hit_rates()
    assert rates["copies in the process"] == pytest.approx(100 / 120)
    assert rates["Redis"] == 0


def test_a_layer_that_nothing_reached_has_no_rate() -> None:
    assert math.isnan(CacheCounts(5, 0, 0).hit_rates()["Redis"])


def test_commands_are_counted_for_each_call() -> None:
    before, after = {"find": 100, "insert": 5}, {"find": 150, "insert": 5}
    assert commands_per_call(before, after, 100) == {"find": 0.5, "insert": 0.0}
    assert commands_per_call(before, after, 0)["find"] == 50
