"""The mesh file: what it may say, and the errors of anything else."""

import pytest

from gateway.xds.mesh import Mesh, MeshError

GOOD = """
regions: [north, south]
services:
  user: {port: 5002, endpoints: {registry: true}, max_requests: 50}
  auth: {port: 5001, endpoints: [{dns: auth.north, region: north}, {dns: auth.south, region: south}]}
  search: {port: 5003, endpoints: {static: ["10.0.0.1:5003", "[fd00::1]:5003"]}}
limits: {max_requests: 500}
"""


def refused(content: str) -> str:
    with pytest.raises(MeshError) as caught:
        Mesh.parse(content.encode())
    return "\n".join(caught.value.problems)


def test_a_mesh_says_where_endpoints_come_from() -> None:
    mesh = Mesh.parse(GOOD.encode())
    assert mesh.services["user"].endpoints[0].registry
    assert [source.region for source in mesh.services["auth"].endpoints] == ["north", "south"]
    assert (mesh.limits.max_requests, mesh.limits.max_connections) == (500, 100)


def test_a_service_may_have_a_bound_of_its_own() -> None:
    mesh = Mesh.parse(GOOD.encode())
    assert [mesh.limits_for(name).max_requests for name in ("user", "auth")] == [50, 500]
    assert mesh.limits_for("user").max_connections == 100


def test_a_caller_prefers_its_own_region_and_then_the_order_of_the_file() -> None:
    mesh = Mesh.parse(GOOD.encode())
    assert mesh.regions_by_preference("south") == ("south", "north")
    assert mesh.regions_by_preference("elsewhere") == ("elsewhere", "north", "south")


@pytest.mark.parametrize(
    ("content", "place", "advice"),
    [
        ("services: {}", "services", "at least 1"),
        ("regions: [a]", "services", "is missing; add it"),
        ("services: {user: {port: 99999, endpoints: {registry: true}}}", "services.user.port", "65535"),
        ("services: {user: {port: 1, endpoints: {}}}", "services.user.endpoints.0", "give one of `registry"),
        (
            "services: {user: {port: 1, endpoints: {registry: true, dns: x}}}",
            "services.user.endpoints.0",
            "give one of",
        ),
        ("services: {user: {port: 1, endpoints: {static: [nowhere]}}}", "endpoints.0.static.0", "pattern"),
        ("services: {User: {port: 1, endpoints: {registry: true}}}", "services.User", "pattern"),
        (GOOD + "\nlimit: {}", "limit", "no such setting"),
        (
            "services: {user: {port: 1, endpoints: {kubernetes: {}}}}",
            "endpoints.0.kubernetes.service",
            "is missing",
        ),
        (
            "services: {user: {port: 1, endpoints: {kubernetes: {service: a, dns: b}}}}",
            "endpoints.0.kubernetes.dns",
            "no such setting",
        ),
        (GOOD + "\nsubsets: {max_endpoints: 1}", "subsets.max_endpoints", "greater than or equal to 10"),
        (GOOD.replace("region: south", "region: east"), "services.auth.endpoints", "`regions` does not list"),
        (GOOD.replace("north, south", "north, north, south"), "`regions`", "twice"),
        (GOOD + "\nfaults: {nobody: {abort: {}}}", "faults.nobody", "`services` does not list it"),
        (GOOD + "\nfaults: {user: {}}", "faults.user", "give `abort` or `delay`"),
        (GOOD + "\nfaults: {user: {abort: {status: OK}}}", "faults.user.abort.status", "UNAVAILABLE"),
        (GOOD + "\nfaults: {user: {delay: {percent: 5}}}", "faults.user.delay.duration_s", "is missing"),
        (GOOD + "gateway: {listen: {east: '0.0.0.0:8080'}}", "gateway.listen", "`regions` does not list"),
        ("a: [", "not YAML", ""),
        ("just words", "has to hold `regions` and `services`", ""),
    ],
)
def test_a_mistake_is_answered_with_its_place_and_what_to_do(content: str, place: str, advice: str) -> None:
    complaint = refused(content)
    assert place in complaint
    assert advice in complaint


def test_a_fault_that_has_a_time_to_end_is_over_from_then_on() -> None:
    mesh = Mesh.parse((GOOD + "\nfaults: {user: {abort: {}, until: 1000}, auth: {abort: {}}}").encode())
    assert mesh.without_expired_faults(999.9).faults.keys() == {"user", "auth"}
    assert mesh.without_expired_faults(1000.0).faults.keys() == {"auth"}


def test_all_mistakes_are_named_at_once() -> None:
    complaints = refused("services: {user: {port: 0, endpoints: {registry: true}}}\nlimits: {max: 1}")
    assert len(complaints.splitlines()) == 2
