"""Words that show the parts of an entry: jobs, organisations, schools, degrees."""

import re
from typing import Final

from chassis.text import fold_for_comparison

_POSITIONS: Final = """
intern internship trainee apprentice student assistant engineer developer analyst manager tutor consultant
designer researcher programmer administrator technician coordinator representative associate specialist lead
officer director founder co-founder cofounder head president volunteer teacher instructor lecturer mentor coach
barista waiter waitress cashier clerk secretary editor writer journalist translator photographer architect
scientist accountant auditor advisor adviser planner buyer supervisor nurse carer caretaker receptionist
salesperson salesman shop seller driver courier operator freelancer contractor fellow scholar demonstrator
ambassador organiser organizer treasurer chair chairperson captain helper tester marketer strategist producer
cook chef bartender host hostess guide lifeguard nanny babysitter librarian worker hand agent placement co-op coop
praktikum praktikant praktikantin werkstudent werkstudentin werksstudent werkstudierende aushilfe hilfskraft
mitarbeiter mitarbeiterin assistent assistentin assistenz entwickler entwicklerin ingenieur ingenieurin berater
beraterin leiter leiterin leitung tutorin trainer trainerin nachhilfelehrer nachhilfelehrerin nachhilfe lehrer
lehrerin verkäufer verkäuferin kassierer kassiererin kellner kellnerin bürokraft sachbearbeiter
sachbearbeiterin auszubildende auszubildender azubi volontär volontärin redakteur redakteurin betreuer
betreuerin kaufmann kauffrau techniker technikerin mechaniker mechatroniker informatiker servicekraft
studentische studentischer wissenschaftliche wissenschaftlicher bundesfreiwilligendienst fsj minijob ferienjob
schülerpraktikum pflichtpraktikum vorpraktikum übungsleiter übungsleiterin fahrer lagerhelfer analystin
managerin designerin gründer gründerin vorstand volontariat traineeprogramm bachelorand masterand
""".split()
_POSITION_ENDINGS: Final = (
    "praktikant", "praktikantin", "praktikum", "student", "studentin", "mitarbeiter", "mitarbeiterin", "assistent",
    "assistentin", "entwickler", "entwicklerin", "ingenieur", "ingenieurin", "berater", "beraterin", "leiter",
    "leiterin", "hilfskraft", "kraft", "lehrer", "lehrerin", "aushilfe", "helfer", "helferin", "kaufmann", "kauffrau",
    "manager", "managerin", "verkäufer", "verkäuferin", "trainer", "trainerin", "betreuer", "betreuerin", "techniker",
)  # fmt: skip
_ORGANISATIONS: Final = """
gmbh ag inc inc. ltd ltd. limited llc plc se kg kgaa ug ohg gbr e.v. ev e.g. eg corp corp. corporation company co.
group gruppe holding bank verlag institute institut labs lab laboratory laboratories studio studios agency agentur
foundation stiftung university universität hospital klinik klinikum krankenhaus museum bakery bäckerei café cafe
restaurant hotel shop store werke werk sparkasse stadtwerke stadt city ministry ministerium office department
lehrstuhl fakultät faculty school schule kindergarten library bibliothek theatre theater association verein verband
club sportverein partners partner solutions systems technologies technology software media medien consulting
logistics logistik energy energie motors pharma insurance versicherung partnerschaft s.a. sa srl bv b.v. oy ab as
s.r.o. kanzlei praxis apotheke buchhandlung supermarkt markt gasthof society charity center centre zentrum
fraunhofer helmholtz collective cooperative genossenschaft startup ventures works industries
""".split()
_ORGANISATION_ENDINGS: Final = (
    "verlag",
    "werke",
    "bank",
    "verein",
    "institut",
    "klinik",
    "verband",
    "haus",
    "stiftung",
)
_SCHOOLS: Final = """
university universität college school hochschule fachhochschule gymnasium institute institut academy akademie
polytechnic tu fh eth epfl realschule gesamtschule berufsschule berufskolleg oberschule kolleg faculty
universidad université università schule lyceum lycée campus berufsakademie conservatory musikhochschule
kunsthochschule sekundarschule grundschule oberstufenzentrum fachoberschule abendgymnasium
""".split()
_SCHOOL_ENDINGS: Final = (
    "gymnasium",
    "schule",
    "hochschule",
    "universität",
    "akademie",
    "kolleg",
    "university",
    "school",
)
_WORD: Final = re.compile(r"[\w.&+'-]+")

_POSITION_WORDS: Final = frozenset(map(fold_for_comparison, _POSITIONS))
_ORGANISATION_WORDS: Final = frozenset(map(fold_for_comparison, _ORGANISATIONS))
_SCHOOL_WORDS: Final = frozenset(map(fold_for_comparison, _SCHOOLS))


def names_position(text: str) -> bool:
    """Return whether the text holds a word for a job."""
    return _names(text, _POSITION_WORDS, _POSITION_ENDINGS)


def names_organisation(text: str) -> bool:
    """Return whether the text holds a word for a company, an office or a club."""
    return _names(text, _ORGANISATION_WORDS, _ORGANISATION_ENDINGS)


def names_school(text: str) -> bool:
    """Return whether the text holds a word for a school or university."""
    return _names(text, _SCHOOL_WORDS, _SCHOOL_ENDINGS)


def _names(text: str, words: frozenset[str], endings: tuple[str, ...]) -> bool:
    return any(
        part in words or part.endswith(endings)
        for word in _WORD.findall(fold_for_comparison(text))
        for part in (word, word.rstrip("."), *word.replace("/", "-").split("-"))
    )


DEGREE: Final = re.compile(
    r"""(?<![\w.])(?:
      Bachelor[ ]of[ ](?:Science|Arts|Engineering|Laws?|Business[ ]Administration|Commerce|Education|Fine[ ]Arts|Music|Technology)
    | Master[ ]of[ ](?:Science|Arts|Engineering|Laws?|Business[ ]Administration|Commerce|Education|Fine[ ]Arts|Music|Technology)
    | (?:Bachelor|Master|Associate)(?:['’]s)?[ ][Dd]egree
    | Associate[ ]of[ ](?:Science|Arts)
    | (?:Bachelor|Master)studium(?=[ ])
    | Bachelor(?:['’]s)? | Master(?:['’]s)?
    | B\.?[ ]?Sc\.? | M\.?[ ]?Sc\.? | B\.?[ ]?Eng\.? | M\.?[ ]?Eng\.? | B\.?[ ]?Ed\.? | M\.?[ ]?Ed\.? | LL\.?[ ]?[BM]\.?
    | B\.?A\.? | M\.?A\.? | B\.?S\.? | M\.?S\.? | MBA | BBA | B\.?Tech\.? | M\.?Tech\.? | BComm? | MPhil | MEng | BEng
    | Ph\.?D\.? | DPhil | Doctorate | Promotion
    | High[ ]School[ ]Diploma | A[- ]Levels? | GCSEs? | International[ ]Baccalaureate(?:[ ]Diploma)? | IB[ ]Diploma
    | Abitur | Fachabitur | Allgemeine[ ]Hochschulreife | Fachgebundene[ ]Hochschulreife | Fachhochschulreife
    | Mittlere[ ]Reife | Realschulabschluss | Mittlerer[ ]Schulabschluss | Matura | Maturität
    | (?:Erstes[ ]|Zweites[ ])?Staatsexamen | Diplom(?:-Ingenieur(?:in)?)? | Magister(?:[ ]Artium)? | Diploma
    | Ausbildung(?=[ ](?:zu[mr]?|als)\b) | Vordiplom | Foundation[ ]Degree | Higher[ ]National[ ]Diploma
    )(?![\w])""",
    re.VERBOSE,
)
"""Degrees as people write them; letters count, as `MA` is a degree and `ma` is none."""

SCORE: Final = re.compile(
    r"""(?:\b(?:overall\s+)?(?:C?GPA|grade(?:\s+point\s+average)?|note|abschlussnote|notendurchschnitt|durchschnittsnote|durchschnitt
        |notenschnitt|gesamtnote|schnitt|score|average|abiturnote|endnote|zwischennote|final\s+grade|current\s+grade)
        \s*(?:\((?:so\s+far|bisher|bislang|aktuell)\))?\s*(?:so\s+far|bisher|bislang|aktuell|of|von)?\s*[:=]?\s*
        (?P<figure>\d{1,2}(?:[.,]\d{1,2})?(?:\s?/\s?\d{1,2}(?:[.,]\d{1,2})?)?%?)
      | (?P<swapped>\d[.,]\d{1,2}(?:\s?/\s?\d(?:[.,]\d{1,2})?)?)\s*(?:C?GPA)\b
      | (?P<honours>\b(?:(?:expected|predicted)\s+)?(?:first[- ]class(?:\s+honours)?|upper\s+second[- ]class(?:\s+honours)?|second[- ]class(?:\s+honours)?
        |magna\s+cum\s+laude|summa\s+cum\s+laude|cum\s+laude|2:[12]|1st\s+class)\b))""",
    re.VERBOSE | re.IGNORECASE,
)
"""Grades with the word before them, or honours."""
