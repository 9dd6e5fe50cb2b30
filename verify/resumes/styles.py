"""The layouts of the set, and which of them are held out: drawn by chance, and not looked at one by one."""

import random
from dataclasses import dataclass
from typing import Final

from services.user.domain.resumes import ResumeMediaType

PDF, DOCX = ResumeMediaType.PDF, ResumeMediaType.DOCX


@dataclass(frozen=True)
class ResumeStyle:
    """How a résumé looks.

    `columns` is one, left or right (a sidebar), equal, or margin (headings beside the text). Further words are
    those of `verify/resumes/wording.py` and of the two renderers.
    """

    name: str
    media_type: ResumeMediaType
    language: str
    columns: str = "one"
    heading: str = "bold"
    entry: str = "title_right"
    contact: str = "pipes"
    skills: str = "commas"
    languages: str = "brackets"
    dates: str = "short_month"
    font: str = "Helvetica"
    size: float = 10.0
    body: str = "bullets"
    words: int = 0
    """Which of the headings' wordings are used."""
    jobs: int = 3
    schools: int = 2
    is_held_out: bool = False


_TUNED: Final = (
    ResumeStyle("classic", PDF, "en"),
    ResumeStyle("ruled", PDF, "en", heading="ruled", entry="organisation_first", contact="stacked", skills="grouped", dates="long_month", font="Times"),
    ResumeStyle("tabular", PDF, "de", entry="date_column", contact="labels", skills="lines", languages="dashes", dates="slashes", words=1),
    ResumeStyle("sidebar-left", PDF, "en", columns="left", contact="stacked", skills="lines", languages="dashes", entry="dates_below", size=9.5),
    ResumeStyle("sidebar-right", PDF, "de", columns="right", contact="stacked", skills="bullets", languages="brackets", entry="title_right", dates="dots", size=9.5),
    ResumeStyle("headings-left", PDF, "en", columns="margin", entry="title_right", words=1),
    ResumeStyle("headings-left-de", PDF, "de", columns="margin", entry="dates_below", dates="german_month", contact="stacked"),
    ResumeStyle("two-columns", PDF, "en", columns="equal", heading="upper", entry="dates_above", contact="pipes", skills="bullets", dates="slashes", size=9),
    ResumeStyle("icons", PDF, "en", heading="upper", contact="icons", entry="pipes", skills="pipes", languages="commas"),
    ResumeStyle("two-pages", PDF, "de", entry="title_right", heading="ruled", contact="labels", dates="slashes", jobs=5, schools=3, size=11.5, skills="grouped", body="many"),
    ResumeStyle("short", PDF, "en", jobs=1, schools=1, contact="stacked", entry="one_line", dates="years", body="none"),
    ResumeStyle("ligatures", PDF, "en", font="Vera", entry="dates_below", heading="large", words=2),
    ResumeStyle("spaced-headings", PDF, "de", heading="spaced", font="Times", entry="organisation_first", dates="german_month_short", contact="dots", words=2),
    ResumeStyle("dark-sidebar", PDF, "de", columns="left", contact="stacked", heading="upper", skills="levels", languages="dashes", entry="dates_above", dates="slashes", size=9),
    ResumeStyle("serif", PDF, "en", font="Times", heading="small_caps", entry="at", contact="dots", dates="iso", body="prose", size=11),
    ResumeStyle("years-only", PDF, "en", heading="large", entry="title_right", dates="years", contact="centred", skills="grouped", words=1),
    ResumeStyle("word-styles", DOCX, "en", heading="style", entry="tabs", contact="pipes"),
    ResumeStyle("word-bold", DOCX, "de", heading="bold", entry="dates_below", contact="stacked", dates="slashes", skills="commas"),
    ResumeStyle("word-table", DOCX, "de", heading="upper", entry="date_column", contact="labels", skills="lines", languages="dashes", dates="slashes", words=1),
    ResumeStyle("word-sidebar", DOCX, "en", columns="left", heading="bold", contact="stacked", skills="lines", languages="dashes", entry="dates_below"),
    ResumeStyle("word-header", DOCX, "en", heading="style", contact="header", entry="organisation_first", skills="grouped", dates="long_month", words=2),
    ResumeStyle("word-prose", DOCX, "de", heading="style", entry="title_right", body="prose", dates="german_month", skills="levels", contact="dots", words=2),
    ResumeStyle("word-margin", DOCX, "en", columns="margin", heading="bold", entry="one_line", contact="pipes", dates="slashes"),
    ResumeStyle("word-long", DOCX, "de", heading="large", entry="title_right", dates="dots", jobs=5, schools=3, body="many", contact="pipes"),
)  # fmt: skip
_SEEN_LATER: Final = (
    ResumeStyle("h-dashes", PDF, "en", heading="coloured", entry="dashes", contact="slashes", skills="semicolons", languages="colons", dates="apostrophes", words=3),
    ResumeStyle("h-sidebar-right", PDF, "en", columns="right", heading="large", entry="organisation_first", contact="labels", skills="meters", languages="colons", dates="long_month_to", size=9, words=1),
    ResumeStyle("h-tabular-wrapped", PDF, "de", entry="date_column_wrapped", heading="upper", contact="labels", skills="semicolons", languages="colons", dates="dots", words=3),
    ResumeStyle("h-sidebar-left-de", PDF, "de", columns="left", heading="coloured", contact="icons", skills="pipes", languages="lines", entry="comma_dates_below", dates="slashes_bis", size=9, words=2),
    ResumeStyle("h-serif-margin", PDF, "en", columns="margin", font="Times", heading="small_caps", entry="comma_dates_below", dates="slashes", contact="centred", body="prose", words=2),
    ResumeStyle("h-two-columns-de", PDF, "de", columns="equal", heading="ruled", entry="dates_below", dates="german_month_since", contact="stacked", skills="grouped", size=9, words=1),
    ResumeStyle("h-days", PDF, "de", heading="large", entry="title_right", dates="days", contact="slashes", skills="bullets", languages="dashes", schools=3, words=2),
    ResumeStyle("h-vera", PDF, "en", font="Vera", heading="upper", entry="dates_above", dates="short_month", contact="dots", skills="levels", languages="lines", jobs=4, size=9),
    ResumeStyle("h-word-boxes", DOCX, "en", columns="box", heading="bold", entry="tabs", contact="stacked", skills="lines", languages="colons", dates="long_month_to", words=1),
    ResumeStyle("h-word-sidebar-de", DOCX, "de", columns="right", heading="upper", entry="comma_dates_below", contact="labels", skills="semicolons", languages="lines", dates="slashes_bis", words=3),
    ResumeStyle("h-word-plain", DOCX, "en", heading="colons", entry="dashes", contact="slashes", skills="grouped", languages="commas", dates="apostrophes", body="prose"),
    ResumeStyle("h-word-grid-de", DOCX, "de", heading="style", entry="date_column", contact="table", skills="levels", languages="dashes", dates="german_month_since", words=2),
)  # fmt: skip
"""Held out at first; their faults were mended after the first look, whose figures are in docs/resumes.md."""
_DRAWN_COUNT: Final = 18
_DRAWN_SEED: Final = 69_000


def _draw_style(number: int) -> ResumeStyle:
    """Return a layout whose parts are put together by chance, as far as they fit together."""
    drawn = random.Random(_DRAWN_SEED + number)  # noqa: S311 - samples
    media_type, language = (PDF, PDF, DOCX)[number % 3], ("en", "de")[number % 2]
    columns = drawn.choice(
        ("one", "left", "right", "margin", "equal")
        if media_type is PDF
        else ("one", "left", "right", "margin", "box")
    )
    is_whole = columns == "one"
    entries = (
        "title_right",
        "organisation_first",
        "one_line",
        "dates_below",
        "dates_above",
        "pipes",
        "at",
        "tabs",
        "dashes",
        "comma_dates_below",
    )
    contacts = (
        ("pipes", "dots", "slashes", "stacked", "centred")
        if is_whole or columns in ("margin", "equal")
        else ("stacked",)
    )
    headings = (
        "bold",
        "upper",
        "large",
        "small_caps",
        "coloured",
        "colons",
        *(("ruled", "spaced") if media_type is PDF else ("style",)),
    )
    dates = {
        "en": ("short_month", "long_month", "long_month_to", "years", "iso", "apostrophes", "slashes"),
        "de": (
            "slashes",
            "slashes_bis",
            "dots",
            "german_month",
            "german_month_short",
            "german_month_since",
            "days",
        ),
    }
    return ResumeStyle(
        f"drawn-{number + 1}",
        media_type,
        language,
        columns=columns,
        heading=drawn.choice(headings),
        entry=drawn.choice((*entries, "date_column", "date_column_wrapped") if is_whole else entries),
        contact=drawn.choice((*contacts, "labels", "table") if is_whole else contacts),
        skills=drawn.choice(
            ("commas", "semicolons", "pipes", "lines", "bullets", "grouped", "levels", "meters")
        ),
        languages=drawn.choice(("brackets", "commas", "dashes", "colons", "lines")),
        dates=drawn.choice(dates[language]),
        font=drawn.choice(("Helvetica", "Times", "Vera")),
        size=drawn.choice((9.0, 9.5, 10.0)),
        body=drawn.choice(("bullets", "bullets", "prose")),
        words=drawn.randrange(4),
        jobs=drawn.randint(2, 4),
        schools=drawn.randint(1, 3),
        is_held_out=True,
    )


STYLES: Final = (*_TUNED, *_SEEN_LATER, *map(_draw_style, range(_DRAWN_COUNT)))
