"""Days end by the clocks of their zone, also where those are put forward or back."""

from datetime import UTC, date, datetime

import pytest

from chassis.time_zones import canonical_zone_name, end_of_day, format_in_zone


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        ("2027-06-30", "", "2027-06-30T23:59:59+00:00"),
        ("2027-06-30", "Europe/Berlin", "2027-06-30T21:59:59+00:00"),
        ("2027-01-31", "Europe/Berlin", "2027-01-31T22:59:59+00:00"),
        ("2027-06-30", "Asia/Kolkata", "2027-06-30T18:29:59+00:00"),
        ("2027-06-30", "Pacific/Kiritimati", "2027-06-30T09:59:59+00:00"),
        # The night in which the clocks are put forward, and back.
        ("2027-03-28", "Europe/Berlin", "2027-03-28T21:59:59+00:00"),
        ("2027-10-31", "Europe/Berlin", "2027-10-31T22:59:59+00:00"),
        # Midnight is left out: the day before ends when the clocks are put forward.
        ("2018-11-03", "America/Sao_Paulo", "2018-11-04T02:59:59+00:00"),
        # The last hour of the day comes twice.
        ("2018-02-17", "America/Sao_Paulo", "2018-02-18T02:59:59+00:00"),
    ],
)
def test_a_day_ends_with_its_last_second(day: str, zone: str, end: str) -> None:
    assert end_of_day(date.fromisoformat(day), zone) == datetime.fromisoformat(end)


def test_a_day_that_the_clocks_left_out_has_no_end() -> None:
    assert end_of_day(date(2011, 12, 30), "Pacific/Apia") is None


@pytest.mark.parametrize(
    ("moment", "zone", "shown"),
    [
        ("2027-06-30T21:59:59", "Europe/Berlin", "2027-06-30 23:59 (UTC+02:00, Europe/Berlin)"),
        ("2027-10-31T00:30:00", "Europe/Berlin", "2027-10-31 02:30 (UTC+02:00, Europe/Berlin)"),
        ("2027-10-31T01:30:00", "Europe/Berlin", "2027-10-31 02:30 (UTC+01:00, Europe/Berlin)"),
        ("2027-06-30T23:59:59", "", "2027-06-30 23:59 (UTC+00:00)"),
        ("2027-01-01T00:00:00", "America/St_Johns", "2026-12-31 20:30 (UTC-03:30, America/St_Johns)"),
    ],
)
def test_a_time_is_shown_with_its_offset_so_that_an_hour_that_comes_twice_is_clear(
    moment: str, zone: str, shown: str
) -> None:
    assert format_in_zone(datetime.fromisoformat(moment).replace(tzinfo=UTC), zone) == shown


def test_a_zone_is_known_in_any_spelling_and_unknown_names_are_refused() -> None:
    assert canonical_zone_name("europe/BERLIN") == "Europe/Berlin"
    assert not any(canonical_zone_name(unknown) for unknown in ("", "Mars/Olympus", "UTC+2", "../etc/passwd"))
