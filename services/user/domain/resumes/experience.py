"""Entries on experience: organisation, position, period and the work done there."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chassis.search.gazetteer import Gazetteer
from services.user.domain.profile import Experience
from services.user.domain.resumes.entries import ResumeEntry, head_pieces, split_brackets, split_entries
from services.user.domain.resumes.parsed_resume import ReadValue
from services.user.domain.resumes.places import is_place
from services.user.domain.resumes.text import CELL_BREAK, TextLine, join_lines, without_bullet
from services.user.domain.resumes.vocabulary import names_organisation, names_position

BOTH_NAMED, ONE_NAMED, BY_ORDER = 0.95, 0.8, 0.5
"""How certain the roles of an entry's parts are: by words for both, by one for one of them, or by order."""
_COMMA: Final = ", "
_LEGAL_FORMS: Final = frozenset({"inc", "inc.", "ltd", "ltd.", "llc", "gmbh", "ag", "co.", "corp."})
_EMPLOYMENT: Final = re.compile(
    r"^(?:full[- ]?time|part[- ]?time|vollzeit|teilzeit|internship|freelance|temporary|contract"
    r"|\d+ h(?:ours)?(?:/week)?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Roles:
    organisation: str
    position: str
    certainty: float
    is_position_first: bool | None = None


def read_experience(lines: Sequence[TextLine], places: Gazetteer) -> tuple[ReadValue[Experience], ...]:
    """Return the section's entries; parts that no word tells apart have the order of the other entries."""
    entries = split_entries(lines)
    pieces = [_entry_pieces(entry, places) for entry in entries]
    order = Counter(
        roles.is_position_first
        for found in pieces
        if (roles := _assign_roles(found, is_position_first=True)).is_position_first is not None
        and roles.certainty > BY_ORDER
    )
    is_position_first = order[True] >= order[False]
    found_entries = (
        _to_value(entry, _assign_roles(found, is_position_first=is_position_first), places, known=bool(order))
        for entry, found in zip(entries, pieces, strict=True)
    )
    return tuple(value for value in found_entries if value is not None)


def _entry_pieces(entry: ResumeEntry, places: Gazetteer) -> list[str]:
    """Return the parts of the head, without places and kinds of employment."""
    pieces: list[str] = []
    for piece in head_pieces(entry):
        bare, brackets = split_brackets(piece)
        is_placed = brackets and all(is_place(text, places) for text in brackets)
        pieces.extend(_divide(bare if is_placed else piece, places))
    return [
        piece for piece in pieces if piece and not is_place(piece, places) and not _EMPLOYMENT.match(piece)
    ]


def _divide(piece: str, places: Gazetteer) -> list[str]:
    """Return the parts between commas if one names a position, another does not; a place at the end goes."""
    parts = _rejoin_legal_forms(piece.split(_COMMA))
    while len(parts) > 1 and (is_place(parts[-1], places) or is_place(_COMMA.join(parts[-2:]), places)):
        parts = parts[:-1]
    if len(parts) < 2:
        return parts
    for at in range(1, len(parts)):
        before, after = _COMMA.join(parts[:at]), _COMMA.join(parts[at:])
        if names_position(before) != names_position(after) or _is_organisation(before) != _is_organisation(
            after
        ):
            return [before, after]
    return [parts[0], _COMMA.join(parts[1:])] if len(parts) == 2 else [_COMMA.join(parts)]


def _rejoin_legal_forms(parts: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        if joined and part.strip().casefold() in _LEGAL_FORMS:
            joined[-1] = f"{joined[-1]}{_COMMA}{part}"
        else:
            joined.append(part)
    return joined


def _is_organisation(text: str) -> bool:
    return names_organisation(text) and not names_position(text)


def _assign_roles(pieces: Sequence[str], *, is_position_first: bool) -> _Roles:
    """Return the roles of the parts: by words, by words for one of them, or by their order."""
    position = _first(pieces, lambda text: names_position(text) and not names_organisation(text))
    position = position if position is not None else _first(pieces, names_position)
    organisation = _first(pieces, _is_organisation)
    if position is None and organisation is None:
        return _roles_by_order(pieces, is_position_first=is_position_first)
    certainty = BOTH_NAMED if position is not None and organisation is not None else ONE_NAMED
    if position is None:
        position = next((at for at in range(len(pieces)) if at != organisation), None)
    elif organisation is None:
        organisation = next((at for at in range(len(pieces)) if at != position), None)
    if organisation is None:
        certainty = ONE_NAMED / 2
    return _Roles(
        pieces[organisation] if organisation is not None else "",
        pieces[position] if position is not None else "",
        certainty,
        position < organisation if position is not None and organisation is not None else None,
    )


def _roles_by_order(pieces: Sequence[str], *, is_position_first: bool) -> _Roles:
    if not pieces:
        return _Roles("", "", 0.0)
    first, second = pieces[0], pieces[1] if len(pieces) > 1 else ""
    if not second or not is_position_first:
        return _Roles(first, second, BY_ORDER)
    return _Roles(second, first, BY_ORDER)


def _first(pieces: Sequence[str], test: Callable[[str], bool]) -> int | None:
    return next((at for at, piece in enumerate(pieces) if test(piece)), None)


def _to_value(
    entry: ResumeEntry, roles: _Roles, places: Gazetteer, *, known: bool
) -> ReadValue[Experience] | None:
    organisation, position = roles.organisation, roles.position
    if not organisation and not position:
        return None
    period = entry.period
    certainty = roles.certainty + 0.15 if known and roles.certainty == BY_ORDER else roles.certainty
    summary = _summary(entry, _unused_lines(entry, roles, places))
    parts = {
        "organisation": certainty if organisation else 0.0,
        "position": certainty if position else 0.0,
        "start": 0.9 if period and period.start else 0.0,
        "end": 0.9 if period and period.end else 0.0,
        "summary": 0.8 if summary else 0.0,
    }
    start, end = (period.start or period.end, period.end) if period else ("", "")
    value = Experience(organisation or position, position if organisation else "", start, end, summary)
    confidence = certainty * (1.0 if period else 0.7)
    return ReadValue(
        value, round(confidence, 2), entry.source, {name: part for name, part in parts.items() if part}
    )


def _unused_lines(entry: ResumeEntry, roles: _Roles, places: Gazetteer) -> list[TextLine]:
    """Return the last lines of the head that say neither where nor what it was: text without a mark."""
    last = max(
        (at for at, line in enumerate(entry.head) if _tells(line.text, roles)), default=len(entry.head)
    )
    rest = entry.head[last + 1 :]
    return [
        line
        for line in rest
        if not all(is_place(piece, places) for piece in head_pieces(replace(entry, head=(line,))))
    ]


def _tells(text: str, roles: _Roles) -> bool:
    return any(role and role in text for role in (roles.organisation, roles.position))


def _summary(entry: ResumeEntry, first: Sequence[TextLine]) -> str:
    """Return the text below the head: an item a line, its divided lines joined."""
    items: list[list[str]] = [[line.text.replace(CELL_BREAK, " ")] for line in first]
    for line in entry.body:
        if line.is_bullet or not items:
            items.append([without_bullet(line.text)])
        else:
            items[-1].append(line.text)
    return "\n".join(join_lines(item) for item in items)
