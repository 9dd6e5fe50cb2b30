"""The report is one page that asks for nothing from outside, and shows no markup of others."""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

from verify.load.load_result import CallFigures, LoadInterval, LoadResult
from verify.load.profiles import read_profile
from verify.load.report import draw_chart, format_figure, render_report

MADE_AT = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>&\"'"
INTERVALS = [LoadInterval(0, 10, 5, 20), LoadInterval(10, 20, 6, 40), LoadInterval(20, 5, 5, math.nan)]
RESULT = LoadResult(
    "artillery",
    "sessions",
    1_200,
    3,
    duration_s=20,
    p99_ms=123.4,
    calls=[CallFigures(HOSTILE, 5_000, p50_ms=1.234, p95_ms=12.34, p99_ms=123.4, max_ms=1234.5)],
    failures={HOSTILE: 3},
    intervals=INTERVALS,
)


class TagCollector(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def page(result: LoadResult = RESULT, breaches: tuple[str, ...] = ()) -> str:
    return render_report(read_profile("smoke"), f"http://{HOSTILE}", [result], breaches, MADE_AT)


def test_what_others_chose_is_escaped() -> None:
    found = page(breaches=(f"broken {HOSTILE}",))
    collector = TagCollector()
    collector.feed(found)
    assert "script" not in collector.tags
    assert "<script" not in found
    assert found.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;&#39;") == 4


def test_the_page_asks_for_nothing_from_outside() -> None:
    collector = TagCollector()
    collector.feed(page())
    assert not {"link", "img", "iframe", "object"} & set(collector.tags)
    assert not {"src", "href", "action"} & {name for name, _ in collector.attributes}
    assert not re.search(r"url\(|@import", page())
    assert "default-src 'none'" in page()


def test_figures_and_thresholds_are_shown() -> None:
    found = page()
    assert "1,200 sessions, 3 failed" in found
    assert "5,000" in found
    assert "<td>1.23</td><td>12.3</td><td>123</td><td>1,234</td>" in found
    assert "2027-03-01 09:30 UTC" in found
    assert "All thresholds are kept." in found
    assert "All thresholds are kept." not in page(breaches=("artillery: too slow",))
    assert "<li>artillery: too slow</li>" in page(breaches=("artillery: too slow",))


def test_a_chart_is_drawn_of_two_intervals_with_answers_or_more() -> None:
    chart = draw_chart(INTERVALS)
    assert chart is not None
    assert (chart.max_rate, chart.max_p99_ms, chart.duration_s) == (20, 40, 10)
    assert chart.rate_points == "0.0,77.0 800.0,14.0"
    assert draw_chart(INTERVALS[:1]) is None
    assert "<svg" not in page(replace(RESULT, intervals=()))


def test_a_figure_that_there_is_not_is_a_dash() -> None:
    assert [format_figure(each) for each in (math.nan, 0.0, 99.94, 12_345.6)] == ["-", "0", "99.9", "12,346"]
