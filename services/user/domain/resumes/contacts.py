"""How to reach a person: name, e-mail address, phone number, links and place."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

import phonenumbers

from chassis.search.gazetteer import Gazetteer
from chassis.text import EmailAddressError, fold_for_comparison, parse_email_address
from services.user.domain.profile import Location, ProfileLink
from services.user.domain.resumes.dates import read_spans
from services.user.domain.resumes.headings import heading_kind, is_field_label, split_label
from services.user.domain.resumes.parsed_resume import ReadValue
from services.user.domain.resumes.places import read_location
from services.user.domain.resumes.text import CELL_BREAK, TextLine, without_bullet
from services.user.domain.resumes.vocabulary import DEGREE, names_organisation, names_position, names_school

MAX_LINKS: Final = 20
MAX_URL_CHARS: Final = 300
MAX_NAME_CHARS: Final = 60
_NAME_LINES: Final = 12
"""Lines of a block among which a name is looked for."""

_EMAIL: Final = re.compile(
    r"[\w.+%'-]+(?:@|\s?[\[({](?:at|@)[\])}]\s?)(?:[\w-]+(?:\.|\s?[\[({](?:dot|punkt)[\])}]\s?))+[^\W\d_]{2,24}",
    re.IGNORECASE,
)
_AT: Final = re.compile(r"\s?[\[({](?:at|@)[\])}]\s?", re.IGNORECASE)
_DOT: Final = re.compile(r"\s?[\[({](?:dot|punkt)[\])}]\s?", re.IGNORECASE)
_URL: Final = re.compile(
    r"(?<![\w@./-])(?:https?://|www\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?P<ending>[a-z]{2,12})(?![\w@.-]*@)(?![a-z0-9])"
    r"(?::\d{2,5})?(?:/[^\s,;|<>()\[\]\"„“”]*)?",
    re.IGNORECASE,
)
_TRIMMED_URL: Final = ".,;:)]}>'\"/"
_SITES: Final = {
    "linkedin.com": "LinkedIn", "github.com": "GitHub", "gitlab.com": "GitLab", "xing.com": "XING",
    "bitbucket.org": "Bitbucket", "stackoverflow.com": "Stack Overflow", "behance.net": "Behance",
    "dribbble.com": "Dribbble", "medium.com": "Medium", "twitter.com": "Twitter", "x.com": "X",
    "youtube.com": "YouTube", "orcid.org": "ORCID", "kaggle.com": "Kaggle", "codeberg.org": "Codeberg",
    "researchgate.net": "ResearchGate", "instagram.com": "Instagram", "mastodon.social": "Mastodon",
}  # fmt: skip
_NO_SITES: Final = frozenset({"js", "net", "io", "py", "ts", "cpp", "md", "pdf", "docx", "sc", "eng", "ed"})
"""Endings that, without a path or `www`, are rather those of a technology, a file or a degree."""
_OTHER_REGIONS: Final = ("US", "GB", "DE", "AT", "CH", "IN", "FR", "NL", "IE", "CA", "AU", "ES", "IT", "PL")
_NAME_WORD: Final = re.compile(r"(?:[^\W\d_]+(?:['’.-][^\W\d_]+)*\.?|[^\W\d_]\.)")
_PARTICLES: Final = frozenset(
    [
        "von",
        "van",
        "de",
        "der",
        "den",
        "del",
        "da",
        "di",
        "du",
        "la",
        "le",
        "zu",
        "zur",
        "zum",
        "al",
        "el",
        "bin",
        "ben",
        "dos",
        "das",
        "af",
        "av",
        "y",
        "e",
    ]
)
_TITLES: Final = frozenset(
    ["dr", "dr.", "prof", "prof.", "mr", "mr.", "ms", "ms.", "mrs", "mrs.", "herr", "frau"]
)
_NO_NAMES: Final = re.compile(
    r"\b(?:curriculum|vitae|resume|résumé|lebenslauf|cv|bewerbung|application|profile|page|seite|tabellarischer|"
    r"student(?:in)?|studierende[r]?|street|straße|strasse|road|avenue|weg|allee|platz|confidential|portfolio)\b|straße\b|str\.",
    re.IGNORECASE,
)
_POSTCODE_AT_END: Final = re.compile(r"\b\d{4,5}(?:\s+[^\W\d]+){0,3}$")
_UMLAUTS: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}
_NAME_LABEL: Final = re.compile(
    r"^(?:full name|name|vor- und nachname|vor- und zuname|name, vorname)$", re.IGNORECASE
)
_PLACE_LABEL: Final = re.compile(
    r"^(?:address|adresse|anschrift|wohnort|wohnhaft(?: in)?|ort|city|location|based in|residence|home)$",
    re.IGNORECASE,
)
_NO_PLACE_LABEL: Final = re.compile(
    r"\b(?:geburtsort|geboren|born|birth|geburtsdatum|geburtstag|nationality|staatsangehörigkeit)\b",
    re.IGNORECASE,
)


def read_email(lines: Sequence[TextLine], targets: Iterable[str]) -> ReadValue[str] | None:
    """Return the first address; one behind a link wins over a written one that differs in its wrapping."""
    linked = [
        target.removeprefix("mailto:").partition("?")[0] for target in targets if target.startswith("mailto:")
    ]
    written = [(found, line) for line in _with_joined_lines(lines) for found in _EMAIL.findall(line)]
    for text, source in [*((text, text) for text in linked), *written]:
        address = _valid_address(_DOT.sub(".", _AT.sub("@", text)))
        if address:
            is_both = bool(linked) and any(_valid_address(found) == address for found, _ in written)
            return ReadValue(address, 0.99 if is_both or not linked else 0.9, source)
    return None


def read_phone(lines: Sequence[TextLine], regions: Sequence[str]) -> ReadValue[str] | None:
    """Return the first phone number, in E.164; one without a country's code is of the regions."""
    texts = [line.text.replace(CELL_BREAK, " | ") for line in lines]
    for text in texts:
        for found in phonenumbers.PhoneNumberMatcher(text, None):
            return ReadValue(_e164(found.number), 0.98, text)
    for rank, region in enumerate(dict.fromkeys([*regions, *_OTHER_REGIONS])):
        for text in texts:
            for found in phonenumbers.PhoneNumberMatcher(text, region):
                if not _is_date(found.raw_string):
                    return ReadValue(_e164(found.number), 0.85 if rank < len(regions) else 0.5, text)
    return None


def read_links(lines: Sequence[TextLine], targets: Iterable[str]) -> tuple[ReadValue[ProfileLink], ...]:
    """Return the addresses of pages, each once: those behind links, and those written out."""
    found: dict[str, ReadValue[ProfileLink]] = {}
    for target in targets:
        if target.startswith(("http://", "https://")) and (link := _link(target, target, 0.95)):
            found.setdefault(_url_key(link.value.url), link)
    for line in _with_joined_lines(lines):
        for match in _URL.finditer(_EMAIL.sub(" ", line)):
            if _is_site(match) and (link := _link(match[0], line, 0.9)):
                found.setdefault(_url_key(link.value.url), link)
    keys = list(found)
    whole = [key for key in keys if not any(other != key and other.startswith(key) for other in keys)]
    return tuple(found[key] for key in whole)[:MAX_LINKS]


def read_place(lines: Sequence[TextLine], places: Gazetteer) -> ReadValue[Location] | None:
    """Return where the person lives: the place that is labelled so, otherwise the most certain one."""
    candidates: list[tuple[float, int, Location, str]] = []
    whole_lines = _with_open_lines(lines)
    for at, line in enumerate([*whole_lines, *_pairs_of(whole_lines)]):
        if _NO_PLACE_LABEL.search(line.text):
            continue
        label, rest = split_label(without_bullet(line.text))
        is_labelled = _PLACE_LABEL.match(label) is not None
        text = rest if is_labelled else without_bullet(line.text)
        if names_school(text) or (names_organisation(text) and not is_labelled):
            continue
        if found := read_location(text, places):
            location, certainty = found
            candidates.append((min(0.98, certainty + 0.1 * is_labelled), -at, location, line.text))
    if not candidates:
        return None
    certainty, _, location, source = max(candidates, key=lambda each: each[:2])
    return ReadValue(location, round(certainty, 2), source)


def read_name(lines: Sequence[TextLine], email: str, places: Gazetteer) -> ReadValue[str] | None:
    """Return the name: labelled so, or the line most like one, by size, place and e-mail address."""
    for line in lines:
        label, rest = split_label(line.text)
        if _NAME_LABEL.match(label) and (name := _name_in(rest, places)):
            return ReadValue(name, 0.97, line.text)
    blocks: dict[int, int] = {}
    largest = max((line.size for line in lines), default=0.0)
    best: tuple[float, str, str] = (0.0, "", "")
    for line, following in zip(lines, [*lines[1:], None], strict=False):
        rank = blocks[line.block] = blocks.get(line.block, -1) + 1
        for text in _name_texts(line, following):
            name = _name_in(text, places) if rank < _NAME_LINES else ""
            certainty = _name_certainty(name, email, rank, line.size, largest) if name else 0.0
            if certainty > best[0]:
                best = (certainty, name, text)
    return ReadValue(best[1], round(best[0], 2), best[2]) if best[1] else None


def _name_texts(line: TextLine, following: TextLine | None) -> list[str]:
    """Return the texts that may be the name: the line, its first cell, and two large lines of a word each."""
    text = without_bullet(line.text)
    texts = [text.replace(CELL_BREAK, " "), re.split(rf"{CELL_BREAK}|\s[|·•–—-]\s|,\s", text)[0]]
    is_pair = (
        following is not None and following.block == line.block and abs(following.size - line.size) < 0.5
    )
    if (
        is_pair
        and following is not None
        and line.size > 0
        and len(line.text.split()) <= 2 >= len(following.text.split())
    ):
        texts.insert(0, f"{line.text} {following.text}")
    return list(dict.fromkeys(texts))


def _name_certainty(name: str, email: str, rank: int, size: float, largest: float) -> float:
    local = re.sub(r"[^a-z]", "", fold_for_comparison(_ascii(email.partition("@")[0])))
    words = [re.sub(r"[^a-z]", "", fold_for_comparison(_ascii(word))) for word in name.split()]
    in_email = sum(1 for word in words if len(word) > 2 and word in local)
    is_largest = size >= largest > 0
    certainty = 0.45 + 0.2 * is_largest + 0.2 * min(in_email, 2) - 0.03 * min(rank, 6)
    return max(0.05, min(0.99, certainty))


def _name_in(text: str, places: Gazetteer) -> str:
    """Return the text as a name, in usual capitals; "" when it cannot be one."""
    tidy = text.strip(" .,:|·•–—-")
    words = tidy.split()
    if not 2 <= len(words) <= 6 or len(tidy) > MAX_NAME_CHARS or _NO_NAMES.search(tidy):
        return ""
    core = [word for word in words if word.lower() not in _TITLES]
    if len(core) < 2 or not all(_NAME_WORD.fullmatch(word) for word in core):
        return ""
    if not all(word[:1].isupper() or word in _PARTICLES for word in core) or core[-1].lower() in _PARTICLES:
        return ""
    if heading_kind(tidy) or is_field_label(tidy) or DEGREE.search(tidy) or places.country(tidy):
        return ""
    if names_position(tidy) or names_school(tidy) or names_organisation(tidy):
        return ""
    return " ".join(_usual_capitals(word) for word in core)


def _usual_capitals(word: str) -> str:
    if not word.isupper() or len(word) < 3 or "." in word:
        return word
    return re.sub(r"[^\W\d_]+", lambda match: match[0].capitalize(), word)


def _ascii(text: str) -> str:
    return "".join(_UMLAUTS.get(letter, letter) for letter in text.lower())


def _pairs_of(lines: Sequence[TextLine]) -> list[TextLine]:
    """Return each two neighbouring lines as one, for a postcode whose city goes on in the next line."""
    return [
        replace(before, text=f"{before.text} {after.text}")
        for before, after in pairwise(lines)
        if before.block == after.block and _POSTCODE_AT_END.search(before.text)
    ]


def _with_open_lines(lines: Sequence[TextLine]) -> list[TextLine]:
    """Return the lines; those that end with a comma with the next line, as a divided address."""
    joined: list[TextLine] = []
    for line in lines:
        if joined and joined[-1].text.endswith(",") and joined[-1].block == line.block:
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {line.text}")
        else:
            joined.append(line)
    return joined


def _with_joined_lines(lines: Sequence[TextLine]) -> list[str]:
    """Return the texts; an address that is divided at the end of a narrow column is put together."""
    texts: list[str] = []
    before: TextLine | None = None
    for line in lines:
        text = line.text.replace(CELL_BREAK, " | ")
        is_divided = before is not None and before.block == line.block and _is_divided(texts[-1], text)
        if is_divided:
            texts[-1] += text
        else:
            texts.append(text)
        before = line
    return texts


def _is_divided(first: str, second: str) -> bool:
    word = first.rsplit(" ", 1)[-1]
    following = second.split(" ", 1)[0]
    if not word or not following or "|" in (word, following):
        return False
    is_address = "@" in word or ("/" in word and "." in word) or word.startswith("www.")
    ends_open = word[-1] in "@/.-_" or (following[0] in "@./" and len(following) > 1)
    return (is_address and ends_open) or (following[0] == "@" and "." in following)


def _valid_address(text: str) -> str:
    try:
        return parse_email_address(text.strip(" .'")).display
    except EmailAddressError:
        return ""


def _is_site(match: re.Match[str]) -> bool:
    text = match[0].lower()
    if text.startswith(("http", "www.")):
        return True
    host, _, path = text.partition("/")
    if path or any(host.endswith(site) for site in _SITES):
        return True
    return match["ending"].lower() not in _NO_SITES or (host.count(".") > 1 and host.endswith("github.io"))


def _link(text: str, source: str, certainty: float) -> ReadValue[ProfileLink] | None:
    address = text.strip().rstrip(_TRIMMED_URL)
    url = address if re.match(r"https?://", address, re.IGNORECASE) else f"https://{address}"
    if len(url) > MAX_URL_CHARS or re.search(r"[\x00-\x20\x7f]", url):
        return None
    try:
        host = (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if "." not in host:
        return None
    label = next(
        (name for site, name in _SITES.items() if host == site or host.endswith(f".{site}")), "Website"
    )
    return ReadValue(ProfileLink(label, url), certainty, source)


def _url_key(url: str) -> str:
    return re.sub(r"^https?://(?:www\.)?", "", url.rstrip("/"), flags=re.IGNORECASE).casefold()


def _is_date(text: str) -> bool:
    return any(span.stop - span.begin >= len(text.strip()) - 1 for span in read_spans(text))


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
