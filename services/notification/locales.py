"""The languages of notifications, and the spelling of times and set phrases in each of them."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from babel.dates import format_datetime

from chassis.languages import DEFAULT_LANGUAGE, LANGUAGES

GENERIC_MAIL_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "en": ("News from InternshipConnect", "There is news for you. Please have a look:"),
    "de": ("Neues von InternshipConnect", "Es gibt etwas Neues für Sie. Bitte sehen Sie nach:"),
}
"""Subject and text of a mail without any names."""

_TIME_FORMATS: Final = {"en": "EEEE d MMMM y, HH:mm", "de": "EEEE, d. MMMM y, HH:mm 'Uhr'"}

_PHRASES: Final[Mapping[str, Mapping[str, str]]] = {
    "de": {
        "Draft": "Entwurf",
        "Received": "Eingegangen",
        "In review": "In Prüfung",
        "Task": "Aufgabe",
        "Interview": "Gespräch",
        "Offer": "Angebot",
        "Hired": "Eingestellt",
        "Not selected": "Nicht ausgewählt",
        "Withdrawn": "Zurückgezogen",
        "Closed": "Geschlossen",
        "The internship is no longer offered.": "Das Praktikum wird nicht mehr angeboten.",
        "All places of this internship are taken.": "Alle Plätze dieses Praktikums sind vergeben.",
        "The company has taken the internship down.": "Das Unternehmen hat das Praktikum zurückgezogen.",
        "The offer was not answered in time.": "Das Angebot wurde nicht rechtzeitig beantwortet.",
        "The company did not answer in the time that it had promised.": (
            "Das Unternehmen hat nicht in der Zeit geantwortet, die es zugesagt hatte."
        ),
        "The account was deleted.": "Das Konto wurde gelöscht.",
        "The company can not take interns on our platform at the moment.": (
            "Das Unternehmen kann bei uns zurzeit keine Praktika vergeben."
        ),
        "An authenticator app was turned on.": "Eine Authenticator-App wurde eingeschaltet.",
        "The authenticator app was turned off.": "Die Authenticator-App wurde abgeschaltet.",
        "A passkey was added.": "Ein Passkey wurde hinzugefügt.",
        "A passkey was removed.": "Ein Passkey wurde entfernt.",
        "A passkey may have been copied and does not sign in any more. Remove it.": (
            "Ein Passkey wurde möglicherweise kopiert und gilt nicht mehr. Bitte entfernen Sie ihn."
        ),
        "A recovery code was used to sign in.": "Zum Anmelden wurde ein Wiederherstellungscode benutzt.",
        "New recovery codes were made.": "Es wurden neue Wiederherstellungscodes erzeugt.",
    }
}
"""Set phrases of contents, in English: statuses that applicants are shown, and reasons."""


@lru_cache(1_024)
def language_for_locale(locale: str) -> str:
    """Return our language for a locale such as `de-AT` or `de_DE`; English for others."""
    tags = locale.replace("_", "-").lower().split("-")
    prefixes = ("-".join(tags[:end]) for end in range(len(tags), 0, -1))
    return next((tag for tag in prefixes if tag in LANGUAGES), DEFAULT_LANGUAGE)


def translate_phrase(text: str, language: str) -> str:
    """Return a set phrase in another language; unchanged if there is no translation."""
    return _PHRASES.get(language, {}).get(text, text)


def format_time(moment: datetime, language: str) -> str:
    """Return a time, e.g.

    `Tuesday 3 March 2026, 14:05 (Europe/Berlin)`, with the offset in an hour that occurs twice.
    """
    offset = f", UTC{moment:%z}" if _is_ambiguous_time(moment) else ""
    return f"{format_datetime(moment, _TIME_FORMATS[language], locale=language)} ({moment.tzinfo}{offset})"


def _is_ambiguous_time(moment: datetime) -> bool:
    return moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()
