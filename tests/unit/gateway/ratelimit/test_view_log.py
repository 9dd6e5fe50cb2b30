"""Which entries of Envoy's log are readers of a listing, and who is one reader."""

from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2

from chassis.redis.unique_readers import anonymous_reader_key
from gateway.ratelimit.view_log import ViewLogServicer

LISTING = "int_01JD0000000000000000000000"
PATH = f"/api/v1/internships/{LISTING}"


class RecordingReaders:
    """Readings in a list, in place of Redis."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()

    async def record_reads(self, seen: set[tuple[str, str]]) -> None:
        """Store the readings in a list."""
        self.seen |= seen


def entry(
    path: str = PATH, method: str = "GET", status: int = 200, agent: str = "Firefox", **headers: str
) -> accesslog_pb2.HTTPAccessLogEntry:
    made: Any = accesslog_pb2.HTTPAccessLogEntry()
    made.request.path, made.request.user_agent = path, agent
    made.request.request_method = base_pb2.RequestMethod.Value(method)
    made.request.request_headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    made.response.response_code.value = status
    made.common_properties.downstream_remote_address.socket_address.address = "192.0.2.7"
    return made


async def noted(*entries: accesslog_pb2.HTTPAccessLogEntry) -> set[tuple[str, str]]:
    message = als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.extend(entries)

    async def stream() -> Any:
        yield message.SerializeToString()

    readers = RecordingReaders()
    await ViewLogServicer(readers).StreamAccessLogs(stream(), None)  # type: ignore[arg-type]
    return readers.seen


@pytest.mark.parametrize("path", [PATH, f"/internships/{LISTING}", f"/api/internships/{LISTING}?utm=mail"])
@pytest.mark.parametrize("status", [200, 304])
async def test_a_client_that_gets_a_listing_or_has_it_already_is_a_reader(path: str, status: int) -> None:
    assert await noted(entry(path, status=status)) == {
        (LISTING, anonymous_reader_key("192.0.2.7", "Firefox"))
    }


@pytest.mark.parametrize(
    "other",
    [
        entry(method="HEAD"),
        entry(method="POST"),
        entry(status=404),
        entry(status=503),
        entry(purpose="prefetch"),
        entry(sec_purpose="prefetch;prerender"),
        entry(x_moz="prefetch"),
        entry(agent="Mozilla/5.0 (compatible; Googlebot/2.1)"),
        entry(agent="facebookexternalhit/1.1"),
        entry(authorization="present"),
        entry("/api/v1/internships?q=int_01JD0000000000000000000000"),
        entry(f"{PATH}/applications"),
        entry("/api/v1/companies/cmp_01JD0000000000000000000000"),
    ],
)
async def test_others_are_not(other: accesslog_pb2.HTTPAccessLogEntry) -> None:
    assert not await noted(other)


def test_an_address_of_ipv6_counts_by_its_64_and_a_mapped_one_as_ipv4() -> None:
    assert anonymous_reader_key("2001:db8:1:2:3::1", "X") == anonymous_reader_key("2001:db8:1:2:ffff::9", "X")
    assert anonymous_reader_key("2001:db8:1:3::1", "X") != anonymous_reader_key("2001:db8:1:2::1", "X")
    assert anonymous_reader_key("::ffff:192.0.2.7", "X") == anonymous_reader_key("192.0.2.7", "X")
    assert anonymous_reader_key("192.0.2.7", "X") != anonymous_reader_key("192.0.2.7", "Y")
