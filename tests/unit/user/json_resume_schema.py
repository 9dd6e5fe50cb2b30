"""The schema of JSON Resume v1.0.0, written down from its public specification as a table of sections.

A section is a list of objects (basics and meta are one object). Objects may have further members, the
document itself may not. Dates are a year, a month or a day.
"""

from typing import Any, Final

DATE: Final = {
    "type": "string",
    "pattern": "^([1-2][0-9]{3}-[0-1][0-9]-[0-3][0-9]|[1-2][0-9]{3}-[0-1][0-9]|[1-2][0-9]{3})$",
}
TEXT: Final = {"type": "string"}
TEXTS: Final = {"type": "array", "items": TEXT}
URI: Final = {"type": "string", "format": "uri"}


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": True, "properties": members}


def _list_of(**members: Any) -> dict[str, Any]:
    return {"type": "array", "items": _object(**members)}


_SPAN: Final = {"startDate": DATE, "endDate": DATE}
_ACTIVITY: Final = {"position": TEXT, "url": URI, **_SPAN, "summary": TEXT, "highlights": TEXTS}

JSON_RESUME_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "$schema": URI,
        "basics": _object(
            name=TEXT,
            label=TEXT,
            image=TEXT,
            email={"type": "string", "format": "email"},
            phone=TEXT,
            url=URI,
            summary=TEXT,
            location=_object(address=TEXT, postalCode=TEXT, city=TEXT, countryCode=TEXT, region=TEXT),
            profiles=_list_of(network=TEXT, username=TEXT, url=URI),
        ),
        "work": _list_of(name=TEXT, location=TEXT, description=TEXT, **_ACTIVITY),
        "volunteer": _list_of(organization=TEXT, **_ACTIVITY),
        "education": _list_of(
            institution=TEXT, url=URI, area=TEXT, studyType=TEXT, **_SPAN, score=TEXT, courses=TEXTS
        ),
        "awards": _list_of(title=TEXT, date=DATE, awarder=TEXT, summary=TEXT),
        "certificates": _list_of(name=TEXT, date=DATE, url=URI, issuer=TEXT),
        "publications": _list_of(name=TEXT, publisher=TEXT, releaseDate=DATE, url=URI, summary=TEXT),
        "skills": _list_of(name=TEXT, level=TEXT, keywords=TEXTS),
        "languages": _list_of(language=TEXT, fluency=TEXT),
        "interests": _list_of(name=TEXT, keywords=TEXTS),
        "references": _list_of(name=TEXT, reference=TEXT),
        "projects": _list_of(
            name=TEXT, description=TEXT, highlights=TEXTS, keywords=TEXTS, **_SPAN, url=URI, roles=TEXTS,
            entity=TEXT, type=TEXT,
        ),
        "meta": _object(canonical=URI, version=TEXT, lastModified=TEXT),
    },
}  # fmt: skip
