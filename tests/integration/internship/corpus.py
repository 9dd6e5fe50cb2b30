"""A few hundred listings whose best answers are known, and what people type to find them.

`NAMED` are the listings that queries are meant to find, by a short name; `fillers` are plausible others, all
of them older, in the same trades and cities.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from chassis.ids import new_id, slot_of
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import hourly_pay_minor
from services.internship.mapping.listings import posting_from_message
from services.internship.mapping.search import index_entry_from_message
from services.internship.search.index_entry import IndexEntry
from tests.integration.internship.harness import NOW

REMOTE, HYBRID, ON_SITE = common.WORK_MODE_REMOTE, common.WORK_MODE_HYBRID, common.WORK_MODE_ON_SITE


@dataclass(frozen=True)
class CorpusListing:
    """A listing that a query is meant to find."""

    title: str
    field: str
    skills: tuple[str, ...]
    city: str
    country: str
    mode: "common.WorkMode.ValueType" = ON_SITE
    paid: bool = True
    company: str = ""
    text: str = ""
    region: str = ""


NAMED: dict[str, CorpusListing] = {
    "python-berlin": CorpusListing("Python Developer Intern", "Software Engineering", ("Python", "SQL"), "Berlin", "DE"),
    "python-remote": CorpusListing("Python Backend Intern", "Backend", ("Python", "PostgreSQL"), "Lisbon", "PT", REMOTE),
    "python-amsterdam": CorpusListing("Python Tooling Intern", "Software Engineering", ("Python",), "Amsterdam", "NL"),
    "go": CorpusListing("Go Engineering Intern", "Backend", ("Go", "Kubernetes"), "Munich", "DE", HYBRID),
    "data-science": CorpusListing("Data Science Intern", "Data Science", ("Python", "Statistics"), "London", "GB"),
    "ml-berlin": CorpusListing("Machine Learning Intern", "Data Science", ("Machine Learning", "PyTorch"), "Berlin", "DE"),
    "ai": CorpusListing("AI Research Intern", "Research", ("Artificial Intelligence",), "Zürich", "CH"),
    "airflow": CorpusListing("Airflow Pipelines Intern", "Data Engineering", ("Airflow", "Spark"), "Vienna", "AT"),
    "it": CorpusListing("IT Support Intern", "Information Technology", ("Windows", "Active Directory"), "Hamburg", "DE"),
    "backend": CorpusListing("Backend Engineering Intern", "Software Engineering", ("Java", "gRPC"), "Köln", "DE"),
    "frontend": CorpusListing("Frontend Intern", "Frontend Development", ("React", "TypeScript"), "New York", "US"),
    "fullstack": CorpusListing("Full-Stack Intern", "Software Engineering", ("Vue", "Node.js"), "São Paulo", "BR"),
    "cpp": CorpusListing("C++ Robotics Intern", "Robotics", ("C++", "ROS"), "Bengaluru", "IN"),
    "cpp17": CorpusListing("Embedded Intern", "Electrical Engineering", ("C++17", "Rust"), "Grenoble", "FR"),
    "csharp": CorpusListing("Game Programming Intern", "Game Development", ("C#", "Unity"), "Malmö", "SE"),
    "dotnet": CorpusListing(".NET Developer Intern", "Software Engineering", (".NET", "Azure"), "Łódź", "PL"),
    "r": CorpusListing("Clinical Statistics Intern", "Life Sciences", ("R", "SAS"), "Basel", "CH"),
    "ux": CorpusListing("UX Research Intern", "Design", ("User Research", "Figma"), "Copenhagen", "DK"),
    "graphic": CorpusListing("Graphic Design Intern", "Design", ("Illustration", "Photoshop"), "Paris", "FR"),
    "marketing": CorpusListing("Marketing Intern", "Marketing", ("SEO", "Copywriting"), "Madrid", "ES", REMOTE),
    "unpaid": CorpusListing("Museum Archive Intern", "Culture", ("Archiving",), "Rome", "IT", paid=False),
    "finance": CorpusListing("Finance Intern", "Finance", ("Excel", "Accounting"), "London", "GB"),
    "law": CorpusListing("Legal Intern", "Legal", ("Contract Law",), "Brussels", "BE"),
    "hr": CorpusListing("Human Resources Intern", "Human Resources", ("Recruiting",), "Dublin", "IE"),
    "mechanical": CorpusListing("Mechanical Engineering Intern", "Mechanical Engineering", ("CAD", "SolidWorks"), "Stuttgart", "DE"),
    "kubernetes": CorpusListing("Platform Intern", "DevOps", ("Kubernetes", "Terraform"), "Gdańsk", "PL"),
    "java": CorpusListing("Java Intern", "Software Engineering", ("Java", "Spring"), "Bucharest", "RO"),
    "javascript": CorpusListing("JavaScript Intern", "Frontend Development", ("JavaScript", "HTML"), "Porto", "PT"),
    "security": CorpusListing("Cybersecurity Intern", "Cybersecurity", ("Networking",), "Tallinn", "EE"),
    "remote-sensing": CorpusListing("Remote Sensing Intern", "Geography", ("GIS",), "Enschede", "NL"),
    "reading": CorpusListing("Speed Reading Research Intern", "Psychology", ("Statistics",), "Leeds", "GB"),
    "company": CorpusListing("Operations Intern", "Operations", ("Excel",), "Oslo", "NO", company="Quokkaworks"),
    "ecommerce": CorpusListing("E-Commerce Intern", "Retail", ("Shopify",), "Milan", "IT"),
    "tokyo": CorpusListing("ソフトウェア開発インターン", "Software Engineering", ("Python",), "Tokyo", "JP",
                   text="機械学習の研究開発を行うチームで働きます。"),
    "japanese-ml": CorpusListing("機械学習エンジニア インターン", "Data Science", ("機械学習",), "Osaka", "JP"),
    "bangkok": CorpusListing("ฝึกงานการตลาดดิจิทัล", "Marketing", ("Social Media",), "Bangkok", "TH",
                     text="ทำงานกับทีมการตลาดในกรุงเทพ"),
    "delhi": CorpusListing("डेटा विश्लेषण इंटर्न", "Analytics", ("Excel",), "New Delhi", "IN", text="हिन्दी में रिपोर्ट लिखें।"),
    "moscow": CorpusListing("Стажёр-разработчик мобильных приложений", "Mobile Development", ("Kotlin",), "Almaty", "KZ"),
    "cairo": CorpusListing("متدرب في الهندسة المدنية", "Civil Engineering", ("AutoCAD",), "Cairo", "EG",
                   text="العمل مع المهندسين في مشاريع البناء"),
    "chinese": CorpusListing("软件测试实习生", "Quality Assurance", ("测试",), "Shanghai", "CN"),
    "seoul": CorpusListing("데이터 분석 인턴", "Analytics", ("SQL",), "Seoul", "KR"),
    "greek": CorpusListing("Ασκούμενος μηχανικός λογισμικού", "Engineering", ("Linux",), "Athens", "GR"),
    "istanbul": CorpusListing("Yazılım Stajyeri", "Software", ("Kotlin",), "İstanbul", "TR"),
    "orsted": CorpusListing("Wind Energy Intern", "Energy", ("MATLAB",), "Aarhus", "DK", company="Ørsted"),
    "german": CorpusListing("Werkstudent Lebensmittelprüfung", "Food", ("Straßenverkehr",), "Düsseldorf", "DE"),
    "sanjose": CorpusListing("Chip Design Intern", "Hardware", ("Verilog",), "San Jose", "US", region="CA"),
    "nlp": CorpusListing("Speech Intern", "Research", ("Natural Language Processing",), "Prague", "CZ"),
    "seo": CorpusListing("Content Intern", "Content", ("SEO", "Writing"), "Toronto", "CA"),
}  # fmt: skip

_FILLER_FIELDS = (
    (
        "Software Engineering",
        ("Rails Developer", "Platform Engineering", "Perl"),
        ("Java", "Linux", "Git", "SQL"),
    ),
    ("Data Science", ("Insights", "Forecasting", "Analytics"), ("Python", "SQL", "Pandas", "Spark")),
    ("Marketing", ("Growth", "Brand", "Events"), ("Analytics", "Photography", "Spanish")),
    ("Finance", ("Audit", "Treasury", "Investment"), ("Excel", "Valuation", "SQL")),
    ("Mechanical Engineering", ("Manufacturing", "Test Bench"), ("MATLAB", "3D Printing")),
)
_CITIES = (
    ("Berlin", "DE"), ("London", "GB"), ("Bengaluru", "IN"), ("São Paulo", "BR"), ("New York", "US"),
    ("Munich", "DE"), ("Paris", "FR"), ("Amsterdam", "NL"), ("Madrid", "ES"), ("Hamburg", "DE"),
)  # fmt: skip


def entries(fillers: int = 250) -> tuple[dict[str, str], list[IndexEntry]]:
    """Return the IDs of the named listings by name, and all listings as the index keeps them."""
    named = {name: _message(known, number) for number, (name, known) in enumerate(NAMED.items())}
    others = [_message(known, 1000 + number) for number, known in enumerate(_fillers(fillers))]
    ids = {name: message.id for name, message in named.items()}
    return ids, [index_entry_from_message(message) for message in (*named.values(), *others)]


def _fillers(number: int) -> Iterator[CorpusListing]:
    rng = random.Random(11)
    for _ in range(number):
        field, titles, skills = rng.choice(_FILLER_FIELDS)
        city, country = rng.choice(_CITIES)
        yield CorpusListing(
            f"{rng.choice(titles)} Intern",
            field,
            tuple(rng.sample(skills, 2)),
            city,
            country,
            rng.choice((REMOTE, HYBRID, ON_SITE)),
            rng.random() < 0.9,
            text=f"Join our {field} team in {city}. You go to work with data and people, and make it happen.",
        )


def _message(known: CorpusListing, number: int) -> pb.Internship:
    company = pb.CompanyRef(
        id=new_id("cmp", at=NOW, seed=f"company-{number}".encode()),
        name=known.company or f"Firm {number} Ltd",
    )
    published = NOW - timedelta(minutes=number)
    message = pb.Internship(
        id=new_id("int", slot_of(company.id), at=published, seed=f"listing-{number}".encode()),
        company=company,
        title=known.title,
        description=known.text or "Learn from people who do this every day.",
        locations=[common.Location(city=known.city, country=known.country, region=known.region)],
        work_mode=known.mode,
        skills=[pb.SkillNeed(name=name) for name in known.skills],
        field=known.field,
        duration_weeks=12,
        hours_per_week=40,
        state=pb.INTERNSHIP_STATE_OPEN,
        version=2,
        compensation=pb.Compensation(paid=False, unpaid_basis="course credit")
        if not known.paid
        else pb.Compensation(paid=True, min_minor=1500_00, currency="EUR", unit=pb.PAY_UNIT_MONTH),
    )
    message.effective_hourly_pay_minor = hourly_pay_minor(posting_from_message(message))
    message.publish_time.FromDatetime(published)
    message.apply_deadline.FromDatetime(NOW + timedelta(days=20))
    return message
