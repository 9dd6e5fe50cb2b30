"""What a layout writes: a person's data as headings, lines, labels and items."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from services.user.domain.profile import Education, Experience
from verify.resumes.people import SamplePerson
from verify.resumes.styles import ResumeStyle

SECTIONS: Final = ("summary", "education", "experience", "skills", "languages", "interests")
SIDEBAR_SECTIONS: Final = frozenset({"skills", "languages", "interests"})

_HEADINGS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "en": {
        "contact": ("Contact", "Personal details", "Contact", "Get in touch"),
        "summary": ("Summary", "Profile", "About me", "Who I am"),
        "education": ("Education", "Academic background", "Education & Qualifications", "Studies"),
        "experience": ("Experience", "Work experience", "Professional experience", "Employment history"),
        "skills": ("Skills", "Technical skills", "Skills & Tools", "Core competencies"),
        "languages": ("Languages", "Languages", "Language skills", "Spoken languages"),
        "interests": ("Interests", "Hobbies", "Activities & Interests", "Outside work"),
    },
    "de": {
        "contact": ("Kontakt", "Persönliche Daten", "Kontakt", "Angaben zur Person"),
        "summary": ("Profil", "Kurzprofil", "Über mich", "Zu mir"),
        "education": ("Ausbildung", "Bildungsweg", "Studium und Schule", "Akademischer Werdegang"),
        "experience": ("Berufserfahrung", "Praktische Erfahrungen", "Praktika und Nebenjobs", "Beruflicher Werdegang"),
        "skills": ("Kenntnisse", "EDV-Kenntnisse", "Fähigkeiten", "Fachliche Kompetenzen"),
        "languages": ("Sprachen", "Sprachkenntnisse", "Sprachen", "Fremdsprachen"),
        "interests": ("Interessen", "Hobbys", "Interessen", "Freizeit"),
    },
}  # fmt: skip
_INTERESTS: Final = {
    "en": ("Long-distance cycling, chess, choir", "Pottery and hill walking"),
    "de": ("Radfahren, Schach, Chor", "Töpfern und Wandern"),
}
_MONTHS: Final = {
    "en": "January February March April May June July August September October November December".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
}
_GERMAN_SHORT: Final = "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.".split()
_LEVELS: Final = {"en": ("advanced", "basic", "expert"), "de": ("sehr gut", "Grundkenntnisse", "gut")}
_NATIVE: Final = {"en": "native", "de": "Muttersprache"}
_LABELS: Final = {
    "en": ("Email", "Phone", "Address", "Web"),
    "de": ("E-Mail", "Telefon", "Anschrift", "Internet"),
}


@dataclass(frozen=True)
class ShownLine:
    """A line as a renderer draws it.

    `role` is name, heading, title (bold), plain, bullet or note; `right` stands at the right margin, `label` in
    a column of its own on the left.
    """

    role: str
    text: str
    right: str = ""
    label: str = ""


@dataclass(frozen=True)
class ShownResume:
    """The lines of a résumé: its head, and its sections by name; `truth` is the part of the person it shows."""

    head: tuple[ShownLine, ...]
    contact: tuple[ShownLine, ...]
    sections: Mapping[str, tuple[ShownLine, ...]]
    truth: SamplePerson


def show_resume(person: SamplePerson, style: ResumeStyle) -> ShownResume:
    """Return the person in the wording of the style."""
    truth = _shown_truth(person, style)
    return ShownResume(
        head=(ShownLine("name", person.name),),
        contact=tuple(_CONTACTS[style.contact](person)),
        sections={
            "summary": (ShownLine("plain", person.summary),) if style.body != "none" else (),
            "education": tuple(
                line for each in truth.education for line in _education_lines(each, person, style)
            ),
            "experience": tuple(
                line for each in truth.experience for line in _experience_lines(each, person, style)
            ),
            "skills": tuple(_SKILLS[style.skills](person)),
            "languages": tuple(_LANGUAGES[style.languages](person)),
            "interests": tuple(
                ShownLine("plain", text) for text in _INTERESTS[person.language][: 1 + style.words % 2]
            ),
        },
        truth=truth,
    )


def heading_of(style: ResumeStyle, section: str) -> str:
    """Return the heading of a section in the style's wording."""
    text = _HEADINGS[style.language][section][style.words]
    if style.heading in ("upper", "spaced"):
        return text.upper()
    return f"{text}:" if style.heading == "colons" else text


def _shown_truth(person: SamplePerson, style: ResumeStyle) -> SamplePerson:
    """Return the part of the truth that the layout shows: some write years only, or leave the summary out."""
    known = 4 if style.dates == "years" else 10
    education = tuple(
        replace(each, start=each.start[:known], end=each.end[:known]) for each in person.education
    )
    experience = tuple(
        replace(each, start=each.start[:known], end=each.end[:known], summary=_shown_tasks(each, style))
        for each in person.experience
    )
    if style.dates == "days":
        education = tuple(replace(each, start=f"{each.start}-01", end=f"{each.end}-01") for each in education)
        experience = tuple(
            replace(each, start=f"{each.start}-01", end=f"{each.end}-01" if each.end else "")
            for each in experience
        )
    summary = "" if style.body == "none" else person.summary
    return replace(person, education=education, experience=experience, summary=summary)


def _shown_tasks(job: Experience, style: ResumeStyle) -> str:
    if style.body == "none":
        return ""
    if style.body == "prose":
        return ". ".join(job.summary.split("\n")) + "."
    return job.summary


def show_period(start: str, end: str, style: ResumeStyle) -> str:
    """Return the period as the style writes it."""
    present = "heute" if style.language == "de" else "Present"
    first, last = (
        _show_date(start, style),
        _show_date(end, style) if end else _PRESENT.get(style.dates, present),
    )
    if style.dates == "german_month_since" and not end:
        return f"seit {first}"
    if style.dates == "years" and first == last:
        return first
    return f"{first}{_DASHES.get(style.dates, ' – ')}{last}"


_PRESENT: Final = {
    "long_month": "present",
    "long_month_to": "now",
    "iso": "today",
    "german_month_short": "jetzt",
}
_DASHES: Final = {"long_month_to": " to ", "slashes_bis": " bis ", "dots": "-", "iso": " - "}


def _show_date(text: str, style: ResumeStyle) -> str:
    if style.dates == "years":
        return text[:4]
    year, month = text[:4], int(text[5:7])
    names = _MONTHS[style.language]
    shown: Mapping[str, Callable[[], str]] = {
        "short_month": lambda: f"{names[month - 1][:3]} {year}",
        "long_month": lambda: f"{names[month - 1]} {year}",
        "long_month_to": lambda: f"{names[month - 1]} {year}",
        "apostrophes": lambda: f"{names[month - 1][:3]} ’{year[2:]}",
        "slashes": lambda: f"{month:02}/{year}",
        "slashes_bis": lambda: f"{month:02}/{year}",
        "dots": lambda: f"{month:02}.{year}",
        "iso": lambda: f"{year}-{month:02}",
        "german_month": lambda: f"{names[month - 1]} {year}",
        "german_month_since": lambda: f"{names[month - 1]} {year}",
        "german_month_short": lambda: f"{_GERMAN_SHORT[month - 1]} {year}",
        "days": lambda: f"01.{month:02}.{year}",
    }
    return shown[style.dates]()


def _education_lines(entry: Education, person: SamplePerson, style: ResumeStyle) -> Iterator[ShownLine]:
    joint = " in " if entry.area and len(entry.degree) > 6 else " "
    title = f"{entry.degree}{joint}{entry.area}" if entry.area else entry.degree
    if style.language == "de" and entry.area and style.words % 2:
        title = f"{entry.area} ({entry.degree})"
    city = person.home.place.city if style.entry in ("organisation_first", "dashes") else ""
    yield from _ENTRIES[style.entry](
        title, entry.institution, show_period(entry.start, entry.end, style), city
    )
    if entry.score:
        yield ShownLine("bullet" if style.body != "prose" else "plain", entry.score)


def _experience_lines(entry: Experience, person: SamplePerson, style: ResumeStyle) -> Iterator[ShownLine]:
    city = person.home.place.city if style.entry in ("organisation_first", "dashes") else ""
    period = show_period(entry.start, entry.end, style)
    yield from _ENTRIES[style.entry](entry.position, entry.organisation, period, city)
    if style.body == "prose":
        yield ShownLine("plain", entry.summary)
    elif entry.summary:
        for task in entry.summary.split("\n"):
            yield ShownLine("bullet", task)


EntryLines = Callable[[str, str, str, str], list[ShownLine]]
_ENTRIES: Final[Mapping[str, EntryLines]] = {
    "title_right": lambda title, where, period, city: [ShownLine("title", title, right=period), ShownLine("plain", where)],
    "organisation_first": lambda title, where, period, city: [
        ShownLine("title", where, right=city),
        ShownLine("plain", title, right=period),
    ],
    "one_line": lambda title, where, period, city: [ShownLine("title", f"{title}, {where} ({period})")],
    "dates_below": lambda title, where, period, city: [ShownLine("title", title), ShownLine("plain", f"{where} | {period}")],
    "dates_above": lambda title, where, period, city: [
        ShownLine("note", period),
        ShownLine("title", title),
        ShownLine("plain", where),
    ],
    "date_column": lambda title, where, period, city: [ShownLine("title", title, label=period), ShownLine("plain", where, label=" ")],
    "pipes": lambda title, where, period, city: [ShownLine("title", f"{title} | {where} | {period}")],
    "at": lambda title, where, period, city: [ShownLine("title", f"{title} at {where}"), ShownLine("note", period)],
    "tabs": lambda title, where, period, city: [ShownLine("title", f"{title}, {where}", right=period)],
    "dashes": lambda title, where, period, city: [ShownLine("title", f"{where} — {title}"), ShownLine("note", f"{period} · {city}")],
    "comma_dates_below": lambda title, where, period, city: [ShownLine("title", f"{where}, {title}"), ShownLine("note", f"({period})")],
    "date_column_wrapped": lambda title, where, period, city: [
        ShownLine("title", title, label=period.rpartition("-")[0] + "-" if "-" in period else period),
        ShownLine("plain", where, label=period.rpartition("-")[2] if "-" in period else " "),
    ],
}  # fmt: skip


def _plain(*texts: str) -> list[ShownLine]:
    return [ShownLine("plain", text) for text in texts if text]


def _all_contacts(person: SamplePerson) -> list[str]:
    home = f"{person.home.street}, {person.home.shown}" if person.home.street else person.home.shown
    return [person.email, person.phone.shown, home, *person.links]


def _labelled(person: SamplePerson) -> list[tuple[str, str]]:
    email, phone, home, *links = _all_contacts(person)
    labels = _LABELS[person.language]
    return [*zip(labels, (email, phone, home), strict=False), *((labels[-1], link) for link in links)]


_CONTACTS: Final[Mapping[str, Callable[[SamplePerson], list[ShownLine]]]] = {
    "pipes": lambda person: _plain(" | ".join(_all_contacts(person)[:3]), " | ".join(person.links)),
    "dots": lambda person: _plain(" · ".join(_all_contacts(person)[:3]), " · ".join(person.links)),
    "slashes": lambda person: _plain("  /  ".join([person.home.shown, person.phone.shown]), "  /  ".join([person.email, *person.links])),
    "centred": lambda person: [ShownLine("centred", text.text) for text in _plain(_all_contacts(person)[2], " | ".join([person.email, person.phone.shown]), *person.links)],
    "stacked": lambda person: _plain(*([person.home.street] if person.home.street else []), person.home.shown, person.phone.shown, person.email, *person.links),
    "labels": lambda person: _plain(*(f"{label}: {text}" for label, text in _labelled(person))),
    "table": lambda person: [ShownLine("plain", text, label=label) for label, text in _labelled(person)],
    "icons": lambda person: [ShownLine("icon", text) for text in _all_contacts(person)],
    "header": lambda person: _plain(" | ".join(_all_contacts(person)[:3]), " | ".join(person.links)),
}  # fmt: skip


def _grouped(person: SamplePerson) -> list[ShownLine]:
    half = len(person.skills) // 2
    names = ("Technical", "Other") if person.language == "en" else ("Fachlich", "Weitere")
    return _plain(
        f"{names[0]}: {', '.join(person.skills[:half])}", f"{names[1]}: {', '.join(person.skills[half:])}"
    )


def _levelled(person: SamplePerson, form: str) -> list[ShownLine]:
    levels = _LEVELS[person.language]
    return _plain(
        *(
            form.format(skill, levels[at % 3], "●" * (3 + at % 3) + "○" * (2 - at % 3))
            for at, skill in enumerate(person.skills)
        )
    )


_SKILLS: Final[Mapping[str, Callable[[SamplePerson], list[ShownLine]]]] = {
    "commas": lambda person: _plain(", ".join(person.skills)),
    "semicolons": lambda person: _plain("; ".join(person.skills)),
    "pipes": lambda person: _plain(" | ".join(person.skills)),
    "lines": lambda person: _plain(*person.skills),
    "bullets": lambda person: [ShownLine("bullet", skill) for skill in person.skills],
    "grouped": _grouped,
    "levels": lambda person: _levelled(person, "{0} ({1})"),
    "meters": lambda person: _levelled(person, "{0} {2}"),
}  # fmt: skip


def _spoken(person: SamplePerson) -> list[tuple[str, str]]:
    native = _NATIVE[person.language]
    return [(each.name, native if each.fluency == "native" else each.fluency) for each in person.languages]


_LANGUAGES: Final[Mapping[str, Callable[[SamplePerson], list[ShownLine]]]] = {
    "brackets": lambda person: _plain(", ".join(f"{name} ({level})" for name, level in _spoken(person))),
    "commas": lambda person: _plain(", ".join(f"{name} {level}" for name, level in _spoken(person))),
    "dashes": lambda person: _plain(*(f"{name} – {level}" for name, level in _spoken(person))),
    "colons": lambda person: _plain(*(f"{name}: {level}" for name, level in _spoken(person))),
    "lines": lambda person: _plain(*(part for name, level in _spoken(person) for part in (name, level))),
}  # fmt: skip
