"""Invented people for generated résumés. Phone numbers are those that are kept free for films."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.user.domain.profile import Education, Experience, Language, Location


@dataclass(frozen=True)
class PhoneNumber:
    """A number as its owner writes it, and in E.164."""

    shown: str
    e164: str


@dataclass(frozen=True)
class Home:
    """A place as its inhabitant writes it; `street` is "" when only the city is shown."""

    shown: str
    place: Location
    street: str = ""


@dataclass(frozen=True)
class SamplePerson:
    """The whole truth; a layout shows all of it or a part."""

    language: str
    name: str
    email: str
    phone: PhoneNumber
    home: Home
    links: tuple[str, ...]
    summary: str
    education: tuple[Education, ...]
    experience: tuple[Experience, ...]
    skills: tuple[str, ...]
    languages: tuple[Language, ...]


@dataclass(frozen=True)
class _Pool:
    """What the people of one language and one half of the set are made of."""

    names: Sequence[str]
    phones: Sequence[PhoneNumber]
    homes: Sequence[Home]
    universities: Sequence[str]
    schools: Sequence[tuple[str, str]]
    degrees: Sequence[tuple[str, str]]
    areas: Sequence[str]
    jobs: Sequence[tuple[str, str]]
    tasks: Sequence[str]
    skills: Sequence[str]
    languages: Sequence[tuple[str, str]]
    summaries: Sequence[str]
    scores: Sequence[str]
    hosts: Sequence[str]


_ENGLISH: Final = _Pool(
    names=(
        "Sam Okafor", "Priya Nair", "Daniel Whitfield", "Aisha Karim", "Tom Lindqvist", "Mei Tanaka",
        "Grace O'Donnell", "Luca Moretti", "Hannah Fairweather", "Noah Mbeki", "Elena Petrova", "Maria del Campo",
    ),
    phones=(
        PhoneNumber("+44 20 7946 0123", "+442079460123"), PhoneNumber("020 7946 0456", "+442079460456"),
        PhoneNumber("(202) 555-0143", "+12025550143"), PhoneNumber("+1 617-555-0178", "+16175550178"),
        PhoneNumber("+1 (416) 555-0112", "+14165550112"),
    ),
    homes=(
        Home("London, UK", Location("London", "", "GB")), Home("Boston, MA", Location("Boston", "MA", "US")),
        Home("Toronto, Canada", Location("Toronto", "", "CA")), Home("Manchester", Location("Manchester", "", "GB")),
        Home("Bristol, United Kingdom", Location("Bristol", "", "GB"), "14 Example Street"),
        Home("Seattle, WA 98101", Location("Seattle", "WA", "US"), "220 Sample Avenue"),
    ),
    universities=(
        "University of Northbridge", "Example University", "Westhaven College", "Lakeside Institute of Technology",
        "Fernhill University", "Ashdown Polytechnic",
    ),
    schools=(("Northbridge High School", "High School Diploma"), ("Millbrook School", "A-Levels")),
    degrees=(
        ("BSc", "Computer Science"), ("Bachelor of Science", "Computer Science"), ("BA", "Economics"),
        ("Master of Science", "Data Science"), ("MSc", "Mechanical Engineering"), ("Bachelor of Arts", "History"),
        ("BEng", "Civil Engineering"), ("B.Sc.", "Mathematics"), ("Bachelor of Engineering", "Electrical Engineering"),
    ),
    areas=("Computer Science", "Economics", "Psychology", "Physics"),
    jobs=(
        ("Software Engineering Intern", "Papertrail Software Inc."), ("Data Analyst Intern", "Bluefin Analytics"),
        ("Barista", "Harbour Lane Coffee"), ("Research Assistant", "Fernhill University"),
        ("Marketing Intern", "Lumen Media Group"), ("Teaching Assistant", "University of Northbridge"),
        ("Product Design Intern", "Meridian Health"), ("Web Developer", "Tidewater"),
        ("Mechanical Engineering Intern", "Northwind Robotics Ltd"), ("Shop Assistant", "Greenleaf Books"),
        ("Junior Consultant", "Ridgeline Partners"), ("Volunteer Coordinator", "Open Garden Foundation"),
        ("Quality Assurance", "Papertrail Software Inc."), ("Machine Learning Intern", "Cobalt Labs"),
    ),
    tasks=(
        "Built a dashboard that shows sales figures by region and product",
        "Wrote integration tests that cut the number of regressions by a third",
        "Prepared weekly reports for a team of twelve people",
        "Served up to 200 guests a day and trained two new colleagues",
        "Cleaned survey data and fitted regression models in Python",
        "Migrated a billing service from a monolith to three smaller services",
        "Designed posters, newsletters and pages for a student conference",
        "Held weekly exercises in linear algebra for 25 first-year students",
        "Measured the wear of bearings and documented the results",
        "Planned deliveries with suppliers and kept the stock list up to date",
        "Interviewed users and turned findings into clickable prototypes",
        "Automated a monthly export, which saves the office four hours",
    ),
    skills=(
        "Python", "Java", "SQL", "Git", "Docker", "React", "TypeScript", "Excel", "Tableau", "Figma", "AutoCAD",
        "MATLAB", "R", "C++", "Linux", "Public speaking", "Project management", "Photoshop", "PostgreSQL",
        "Machine learning", "Technical writing", "Node.js", "C#", "HTML/CSS",
    ),
    languages=(("English", "native"), ("German", "B2"), ("French", "B1"), ("Spanish", "C1"), ("Hindi", "native"), ("Mandarin", "A2")),
    summaries=(
        "Second-year student who likes to turn messy data into clear answers. Looking for a summer internship in a small team.",
        "Curious engineer with a background in mechanics and a taste for careful documentation. I enjoy building things that last.",
        "Economics student with experience in customer service and reporting. I want to learn how products are priced.",
    ),
    scores=("GPA: 3.8/4.0", "GPA 3.6", "First Class Honours", "Grade: 1.7"),
    hosts=("example.org", "example.com", "mail.example.net"),
)  # fmt: skip

_GERMAN: Final = _Pool(
    names=(
        "Lena Brandtner", "Jonas Müllerstein", "Mehmet Aydemir", "Sophie Krüger-Lang", "Felix Hofstätter",
        "Anna-Lena Vogt", "Katharina von Auental", "Tobias Weißgerber", "Miriam Schäferle", "Paul Ndiaye",
    ),
    phones=(
        PhoneNumber("+49 30 23125 417", "+493023125417"), PhoneNumber("030 / 23125 202", "+493023125202"),
        PhoneNumber("0171 3920034", "+491713920034"), PhoneNumber("+49 (0)40 66969-123", "+494066969123"),
        PhoneNumber("0152 28817386", "+4915228817386"), PhoneNumber("089 99998 321", "+498999998321"),
    ),
    homes=(
        Home("10115 Berlin", Location("Berlin", "", "DE"), "Musterstraße 12"),
        Home("80331 München", Location("München", "", "DE"), "Beispielweg 3a"),
        Home("Hamburg, Deutschland", Location("Hamburg", "", "DE")), Home("Köln", Location("Köln", "", "DE")),
        Home("04109 Leipzig", Location("Leipzig", "", "DE"), "Am Beispielpark 7"),
    ),
    universities=(
        "Technische Universität Beispielstadt", "Hochschule Neuenfeld", "Universität Auental",
        "Fachhochschule Birkenau", "Universität Beispielstadt",
    ),
    schools=(("Gymnasium am Mühlbach", "Abitur"), ("Humboldt-Gymnasium Auental", "Abitur"), ("Realschule Birkenau", "Mittlere Reife")),
    degrees=(
        ("B.Sc.", "Informatik"), ("Bachelor of Science", "Wirtschaftsinformatik"), ("M.Sc.", "Maschinenbau"),
        ("Bachelor of Arts", "Betriebswirtschaftslehre"), ("Master of Science", "Physik"), ("B.Eng.", "Elektrotechnik"),
        ("B.A.", "Soziologie"),
    ),
    areas=("Informatik", "Physik", "Germanistik"),
    jobs=(
        ("Werkstudent Softwareentwicklung", "Beispiel GmbH"), ("Praktikantin im Marketing", "Lumen Medien AG"),
        ("Studentische Hilfskraft", "Universität Auental"), ("Aushilfe im Service", "Café Morgenrot"),
        ("Praktikant Konstruktion", "Quellwerk Maschinenbau GmbH"), ("Tutor für Mathematik", "Hochschule Neuenfeld"),
        ("Werkstudentin Data Science", "Kompass Nord"), ("Bundesfreiwilligendienst", "Klinikum Birkenau"),
        ("Pflichtpraktikum Controlling", "Stadtwerke Auental"), ("Verkäufer", "Buchhandlung Federkiel"),
        ("Entwicklerin (Teilzeit)", "Papierboot Software GmbH"), ("Nachhilfelehrer", "Lernstube Birkenau"),
    ),
    tasks=(
        "Entwicklung einer Oberfläche für die Auswertung von Messdaten",
        "Erstellung wöchentlicher Berichte für ein Team von zwölf Personen",
        "Betreuung von Übungsgruppen mit bis zu 25 Studierenden",
        "Konstruktion von Bauteilen und Dokumentation der Ergebnisse",
        "Bedienung von Gästen und Einarbeitung neuer Kolleginnen",
        "Aufbau automatisierter Tests, die Fehler früher sichtbar machen",
        "Pflege der Webseite und Planung von zwei Veranstaltungen",
        "Analyse von Kundendaten mit Python und SQL",
        "Unterstützung des Vertriebs bei Angeboten und Präsentationen",
        "Einführung eines Ablagesystems, das der Abteilung Zeit spart",
    ),
    skills=(
        "Python", "Java", "SQL", "Git", "Excel", "PowerPoint", "SAP", "MATLAB", "SolidWorks", "C++", "Docker",
        "Linux", "Projektmanagement", "Adobe InDesign", "Angular", "LaTeX", "Statistik", "Teamarbeit", "Photoshop",
        "Kotlin", "JavaScript",
    ),
    languages=(("Deutsch", "native"), ("Englisch", "C1"), ("Französisch", "B1"), ("Türkisch", "native"), ("Spanisch", "A2")),
    summaries=(
        "Student der Informatik mit Freude an sauberem Code und klaren Schnittstellen. Ich suche ein Praktikum in einem kleinen Team.",
        "Angehende Ingenieurin mit Erfahrung in Konstruktion und Messtechnik. Ich arbeite sorgfältig und lerne schnell.",
    ),
    scores=("Note: 1,7", "Abschlussnote: 2,1", "Notendurchschnitt 1,4"),
    hosts=("beispiel.example", "example.org", "post.example.com"),
)  # fmt: skip

_ENGLISH_HELD_OUT: Final = _Pool(
    names=("Ruth Abernathy", "Kwame Asante", "Ingrid Solberg", "Omar Haddadin", "Chloe Beaumont", "Diego Ferreira", "Yuki Mori", "Zoë Hartnell"),
    phones=(
        PhoneNumber("+44 (0)20 7946 0789", "+442079460789"), PhoneNumber("312.555.0156", "+13125550156"),
        PhoneNumber("+353 1 555 0123", "+35315550123"), PhoneNumber("+44 2079460999", "+442079460999"),
    ),
    homes=(
        Home("Edinburgh EH1 1AB", Location("Edinburgh", "", "GB"), "3 Sample Row"), Home("Chicago, Illinois", Location("Chicago", "IL", "US")),
        Home("Dublin, Ireland", Location("Dublin", "", "IE")), Home("Leeds, England", Location("Leeds", "", "GB")),
    ),
    universities=("Harrowgate University", "Caldera State University", "Kestrel Business School", "The University of Eastmarch"),
    schools=(("Saltmarsh Academy", "International Baccalaureate"), ("Caldera Central High School", "High School Diploma")),
    degrees=(
        ("BSc", "Biology"), ("Master of Arts", "Graphic Design"), ("BBA", "Finance"), ("MEng", "Aerospace Engineering"),
        ("Bachelor of Science", "Statistics"), ("LLB", "Law"),
    ),
    areas=("Biology", "Finance"),
    jobs=(
        ("Laboratory Technician", "Genova Biotech"), ("Summer Analyst", "Kestrel Capital"), ("Swim Instructor", "Eastmarch Leisure Centre"),
        ("UX Intern", "Pebble & Finch"), ("Data Engineering Co-op", "Orchard Systems"), ("Legal Intern", "Hollis Grant LLP"),
        ("Front of House", "The Copper Kettle"), ("Wind Tunnel Test Intern", "Aerodyne Works"), ("Peer Mentor", "Harrowgate University"),
    ),
    tasks=(
        "Ran assays on 300 samples and kept the lab book",
        "Modelled the cash flow of four property projects",
        "Taught children aged five to nine to swim safely",
        "Redesigned the checkout, after which fewer baskets were abandoned",
        "Moved nightly jobs to a scheduler with alerts",
        "Summarised case law for two appeals",
        "Calibrated pressure sensors before each run",
        "Welcomed new students and answered their questions",
    ),
    skills=(
        "Stata", "PCR", "Illustrator", "Airflow", "Spark", "Ansys", "Go", "Rust", "Kubernetes", "Bloomberg", "VBA",
        "Contract drafting", "User research", "Swift", "Power BI", "SPSS", "Negotiation", "Terraform",
    ),
    languages=(("English", "native"), ("Arabic", "native"), ("Portuguese", "C2"), ("Norwegian", "B2"), ("Japanese", "A1")),
    summaries=(
        "Final-year student with two summers in industry and a habit of asking why. Available from June for six months.",
        "Designer who sketches first and measures afterwards. I care about forms that everybody can fill in.",
    ),
    scores=("CGPA: 3.71/4.00", "2:1", "Average: 87%"),
    hosts=("inbox.example", "example.edu"),
)  # fmt: skip

_GERMAN_HELD_OUT: Final = _Pool(
    names=("Clara Lindenau", "Emre Yildizer", "Johannes Freiherr", "Marie-Luise Kessler", "Dominik Sterz", "Nele Oppermann"),
    phones=(
        PhoneNumber("069 90009-512", "+496990009512"), PhoneNumber("+49 221 4710 233", "+492214710233"),
        PhoneNumber("0172/9925904", "+491729925904"),
    ),
    homes=(
        Home("60311 Frankfurt am Main", Location("Frankfurt am Main", "", "DE"), "Testgasse 9"),
        Home("8001 Zürich", Location("Zürich", "", "CH"), "Beispielgasse 4"), Home("Stuttgart", Location("Stuttgart", "", "DE")),
        Home("D-01067 Dresden", Location("Dresden", "", "DE"), "Elbweg 1"),
    ),
    universities=("Universität Lindenau", "Hochschule für Technik Morgental", "Duale Hochschule Elsterberg"),
    schools=(("Elsterberg-Gymnasium", "Allgemeine Hochschulreife"), ("Berufskolleg Morgental", "Fachhochschulreife")),
    degrees=(("B.Sc.", "Biochemie"), ("Bachelor of Engineering", "Mechatronik"), ("Staatsexamen", "Rechtswissenschaft"), ("M.A.", "Kommunikationsdesign")),
    areas=("Biochemie", "Mechatronik"),
    jobs=(
        ("Laborpraktikum", "Genova Biotech GmbH"), ("Werkstudent Logistik", "Spedition Habermehl"), ("Redaktionsassistenz", "Morgentaler Zeitung"),
        ("Messtechnik", "Aerodyn Werke"), ("Praktikum in der Rechtsabteilung", "Hollwig Versicherung"), ("Skilehrerin", "Skischule Elsterberg"),
        ("Duale Studentin", "Habermehl Antriebe AG"),
    ),
    tasks=(
        "Durchführung von Versuchsreihen und Auswertung der Proben",
        "Planung von Touren und Abstimmung mit Fahrern",
        "Recherche und Redigieren von Beiträgen für die Kulturseite",
        "Kalibrierung von Sensoren vor jeder Messung",
        "Prüfung von Verträgen und Vorbereitung von Gutachten",
        "Unterricht für Kinder zwischen fünf und neun Jahren",
    ),
    skills=("Origin", "Zellkultur", "SAP MM", "InDesign", "Siemens NX", "SPS-Programmierung", "Go", "Rhetorik", "Power BI", "Typografie", "VBA", "Juris", "CATIA"),
    languages=(("Deutsch", "native"), ("Englisch", "C2"), ("Italienisch", "B2"), ("Russisch", "native")),
    summaries=("Naturwissenschaftlerin mit ruhiger Hand und Blick für Einzelheiten. Ab Juni für sechs Monate verfügbar.",),
    scores=("Gesamtnote: 1,3", "Notendurchschnitt: 1,9"),
    hosts=("briefkasten.example", "example.de"),
)  # fmt: skip
_POOLS: Final = {
    ("en", False): _ENGLISH, ("de", False): _GERMAN, ("en", True): _ENGLISH_HELD_OUT, ("de", True): _GERMAN_HELD_OUT,
}  # fmt: skip
_IN_ADDRESSES: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "'": "", "ë": "e"}
_PERIODS: Final = (
    ("2026-03", ""), ("2025-06", "2025-09"), ("2024-10", "2025-03"), ("2023-07", "2024-08"), ("2022-11", "2023-05"),
)  # fmt: skip
_STUDIES: Final = (("2024-10", "2027-09"), ("2021-09", "2024-07"), ("2013-09", "2021-06"))


def make_person(
    number: int, language: str, *, is_held_out: bool, jobs: int = 3, schools: int = 2
) -> SamplePerson:
    """Return the person of this number; the same one each time."""
    pool = _POOLS[language, is_held_out]
    drawn = random.Random(f"{number}/{language}/{is_held_out}")  # noqa: S311 - samples
    name = pool.names[number % len(pool.names)]
    handle = _handle(name)
    host = drawn.choice(pool.hosts)
    return SamplePerson(
        language=language,
        name=name,
        email=f"{handle.replace('-', '.')}@{host}",
        phone=drawn.choice(pool.phones),
        home=drawn.choice(pool.homes),
        links=tuple(_links(handle, drawn)),
        summary=drawn.choice(pool.summaries),
        education=tuple(_education(pool, drawn, schools)),
        experience=tuple(_experience(pool, drawn, jobs)),
        skills=tuple(drawn.sample(pool.skills, drawn.randint(6, 10))),
        languages=tuple(Language(*each) for each in drawn.sample(pool.languages, drawn.randint(2, 3))),
    )


def _handle(name: str) -> str:
    spelt = "".join(_IN_ADDRESSES.get(letter, letter) for letter in name.lower())
    words = spelt.replace("-", " ").split()
    return f"{words[0]}-{words[-1]}"


def _links(handle: str, drawn: random.Random) -> list[str]:
    found = [
        f"linkedin.com/in/{handle}",
        f"github.com/{handle.replace('-', '')}",
        f"https://{handle}.example.org",
    ]
    return found[: drawn.randint(1, 3)]


def _education(pool: _Pool, drawn: random.Random, count: int) -> list[Education]:
    found = []
    universities = drawn.sample(pool.universities, len(pool.universities))
    degrees = drawn.sample(pool.degrees, len(pool.degrees))
    for at, (start, end) in enumerate(_STUDIES[:count]):
        if at and at == count - 1:
            school, degree = drawn.choice(pool.schools)
            found.append(Education(school, "", degree, start, end))
        else:
            degree, area = degrees[at]
            score = drawn.choice(pool.scores) if drawn.random() < 0.5 else ""
            found.append(Education(universities[at], area, degree, start, end, score))
    return found


def _experience(pool: _Pool, drawn: random.Random, count: int) -> list[Experience]:
    jobs = drawn.sample(pool.jobs, count)
    return [
        Experience(
            organisation, position, start, end, "\n".join(drawn.sample(pool.tasks, drawn.randint(1, 3)))
        )
        for (position, organisation), (start, end) in zip(jobs, _PERIODS, strict=False)
    ]
