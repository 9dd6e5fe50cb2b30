"""What people type and the listing of a seeded stack that comes first, as title, company and city."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.clock import FixedClock
from chassis.sharding.shards import Shards
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.repository import COLLECTIONS
from services.internship.repository.search_index import MongoSearchIndex
from tests.databases import own_databases
from tests.integration.internship.harness import NOW, InternshipHarness
from tests.integration.internship.seeded_listings import seeded_entries
from tests.stack import StackHandle

MAX_CONCURRENT_WRITES = 16

FIRST_HITS = [
    ("python berlin", "Clinical Data Intern (Python) | Sorrelspindle Labs | Berlin"),
    ("python developer berlin", "Python Developer Intern | Pebblequill Labs | Berlin"),
    ("remote python", "Python Developer Intern | Pebblequill Labs | Madrid"),
    ("python internship in amsterdam", "Biology Research Intern (Statistics) | Alderfjord Labs | Amsterdam"),
    ("data scientist london", "Data Science Intern (Pandas) | Otterloom Labs | London"),
    ("machine learning bengaluru", "Machine Learning Intern | Otterbeacon Labs | Bengaluru"),
    ("pytorch berlin", "Data Science Intern | Larchlark Labs | Berlin"),
    ("praktikum münchen marketing", "Marketing Intern | Russetgrove Labs | Munich"),
    ("cologne", "Content Intern (Analytics) | Sorrelspindle Labs | Köln"),
    ("ux research new york", "UX Research Intern (Illustration) | Briskbeacon Labs | New York City"),
    ("nyc frontend", "Frontend Intern (Figma) | Nutmegquill Labs | New York City"),
    ("react toronto", "React Developer Intern (Figma) | Saffronharrow Labs | Toronto"),
    ("typescript remote us", "React Developer Intern | Copperbeacon Labs | Chicago"),
    ("sf data science", "Data Science Intern (Python) | Emberorchard Labs | San Francisco"),
    ("machine learning san francisco", "Machine Learning Intern (Airflow) | Emberorchard Labs | San Francisco"),
    ("austin TX robotics", "Robotics Intern | Meadowquill Labs | Austin"),
    ("robotics munich", "Manufacturing Intern (3D Printing) | Clovergrove Labs | Munich"),
    ("c++ robotics", "Robotics Intern (C++) | Sorrelquill Labs | San Francisco"),
    ("c++ london", "Mechanical Engineering Intern (C++) | Meadowquill Labs | London"),
    ("r statistics", "Clinical Data Intern (R) | Alderfjord Labs | Seattle"),
    ("biology seattle", "Biology Research Intern | Alderfjord Labs | Seattle"),
    ("bioinformatics edinburgh", "Clinical Data Intern | Indigoanchor Labs | Edinburgh"),
    ("accounting paris", "Finance Intern (Accounting) | Larchloom Labs | Paris"),
    ("excel pune", "Audit Intern (Excel) | Briskquill Labs | Pune"),
    ("financial modelling london", "Finance Intern | Yarrowharrow Labs | London"),
    ("finance internship summer 2027", "Finance Intern (SQL) | Yarrowharrow Labs | Rotterdam"),
    ("unpaid marketing", "Marketing Intern | Emberorchard Labs | Berlin"),
    ("part-time marketing london", "Marketing Intern (Copywriting) | Saffronfjord Labs | London"),
    ("full time java", "Java Intern | Nutmegquill Labs | Austin"),
    ("stage marketing paris", "Marketing Intern (SEO) | Pebblequill Labs | Paris"),
    ("prácticas madrid marketing", "Marketing Intern (Public Speaking) | Pebblequill Labs | Madrid"),
    ("pasantía barcelona design", "Product Design Intern (Prototyping) | Larchloom Labs | Barcelona"),
    ("tirocinio milano", "Machine Learning Intern (SQL) | Nutmeggrove Labs | Milan"),
    ("estágio são paulo mobile", "Mobile App Intern | Saffronharrow Labs | São Paulo"),
    ("estágio lisboa", "Growth Intern | Wrenquill Labs | Lisbon"),
    ("staj amsterdam", "Analytics Intern | Nutmeggrove Labs | Amsterdam"),
    ("インターン ロンドン", "Backend Engineering Intern | Fablequill Labs | London"),
    ("krakow python", "Lab Intern (Bioinformatics) | Gablebeacon Labs | Kraków"),
    ("lodz", "Machine Learning Intern (Python) | Cinderorchard Labs | Łódź"),
    ("6 month python internship london", "Python Developer Intern | Fablequill Labs | London"),
    ("20h per week frontend", "Frontend Intern | Yarrowspindle Labs | Bengaluru"),
    ("golang", "Python Developer Intern (Go) | Fablequill Labs | London"),
    ("kubernetes", "Python Developer Intern (Kubernetes) | Indigoanchor Labs | Delhi"),
    ("airflow", "Analytics Intern (Airflow) | Emberloom Labs | São Paulo"),
    ("spark data engineer", "Data Science Intern (Spark) | Velvetquill Labs | Bengaluru"),
    ("figma stockholm", "Frontend Intern (Figma) | Larchlark Labs | Stockholm"),
    ("typography", "Brand Design Intern (Typography) | Otterbeacon Labs | São Paulo"),
    ("seo content", "Content Intern (SEO) | Russetgrove Labs | Madrid"),
    ("photography", "Growth Intern (Photography) | Gablebeacon Labs | Hamburg"),
    ("spanish", "Social Media Intern (Spanish) | Wrenquill Labs | Stockholm"),
    ("social media rio", "Social Media Intern (Copywriting) | Saffronfjord Labs | Rio de Janeiro"),
    ("growth", "Growth Intern | Wrenquill Labs | Lisbon"),
    ("pyhton berln", "Clinical Data Intern (Python) | Sorrelspindle Labs | Berlin"),
    ("makreting london", "Marketing Intern (Copywriting) | Saffronfjord Labs | London"),
    ("machne lerning", "Machine Learning Intern (Spark) | Bramblegrove Labs | São Paulo"),
    ("briskquill", "Audit Intern (Excel) | Briskquill Labs | Pune"),
    ("saffronharrow labs", "Mobile App Intern | Saffronharrow Labs | São Paulo"),
    ("yarrowlark design", "Product Design Intern | Yarrowlark Labs | Munich"),
    ("sorrelquill", "Manufacturing Intern (3D Printing) | Sorrelquill Labs | San Francisco"),
    ("winter internship sydney", "UX Research Intern (Illustration) | Dapplequill Labs | Sydney"),
    ("fall internship chicago", "Product Design Intern (User Research) | Dapplequill Labs | Chicago"),
    ("spring internship hyderabad", "Brand Design Intern | Dappleanchor Labs | Hyderabad"),
    ("internship in may delhi", "Python Developer Intern (Kubernetes) | Indigoanchor Labs | Delhi"),
    ("september 2027 manchester", "Content Intern (Spanish) | Opalorchard Labs | Manchester"),
    ("europe machine learning", "Machine Learning Intern (SQL) | Larchlark Labs | Stockholm"),
    ("germany robotics", "Robotics Intern | Wrenbeacon Labs | Berlin"),
    ("mobile app swift", "Mobile App Intern (Swift) | Amberbeacon Labs | San Francisco"),
    ("product design", "Product Design Intern | Juniperanchor Labs | Boston"),
    ("3d printing", "Manufacturing Intern (3D Printing) | Sorrelquill Labs | San Francisco"),
    ("lab techniques", "Biology Research Intern (Lab Techniques) | Yarrowlark Labs | Warsaw"),
    ("co-op vancouver", "Python Developer Intern (Git) | Otterloom Labs | Vancouver"),
    ("trainee porto", "React Developer Intern | Wrenquill Labs | Porto"),
    ("accessibility css", "Mobile App Intern (CSS) | Yarrowspindle Labs | Delhi"),
]  # fmt: skip


@pytest.fixture(scope="module")
async def seeded_shards() -> AsyncIterator[Shards]:
    """Databases with the seeded listings in their index."""
    async with own_databases(StackHandle.under_test(), "internship", COLLECTIONS) as shards:
        index, entries = MongoSearchIndex(shards, FixedClock(NOW)), seeded_entries()

        async def write() -> None:
            for entry in entries:
                await index.put(entry)

        await asyncio.gather(*(write() for _ in range(MAX_CONCURRENT_WRITES)))
        yield shards


@pytest.fixture
async def seeded(seeded_shards: Shards, world: InternshipHarness) -> InternshipHarness:
    """Yield the service over the seeded listings."""
    found = InternshipHarness(seeded_shards, world.cache, world.redis)
    await found.lexicon.reload()
    return found


def described(hit: pb.InternshipHit) -> str:
    return f"{hit.title} | {hit.company.name} | {hit.locations[0].city}"


@pytest.mark.parametrize(("typed", "meant"), FIRST_HITS)
async def test_the_first_hit_is_the_seeded_listing_that_is_meant(
    seeded: InternshipHarness, typed: str, meant: str
) -> None:
    found = await seeded.search(q=typed)
    assert [described(hit) for hit in found.data[:1]] == [meant]
    assert found.match_kind in (common.MATCH_KIND_ALL, common.MATCH_KIND_UNSPECIFIED)


@pytest.mark.parametrize(
    ("typed", "filters"),
    [
        ("summer internship 2027", {"start": "summer 2027"}),
        ("fall internship chicago", {"start": "autumn", "city": "Chicago"}),
        ("part-time marketing", {"employment": "EMPLOYMENT_PART_TIME", "field": "Marketing"}),
        ("internship us", {"country": "US"}),
        ("6 month python internship", {"duration": "24-27"}),
        ("20h per week", {"hours": "20"}),
    ],
)
async def test_facts_in_fields_are_filters_that_the_answer_names(
    seeded: InternshipHarness, typed: str, filters: dict[str, str]
) -> None:
    found = await seeded.search(q=typed, page_size=50)
    assert {each.name: each.value for each in found.applied_filters} == filters
    assert found.match_kind == common.MATCH_KIND_ALL
    assert found.data
    if "employment" in filters:
        assert {hit.employment for hit in found.data} == {pb.EMPLOYMENT_PART_TIME}
    if "duration" in filters:
        assert {hit.duration_weeks for hit in found.data} <= {24, 25, 26, 27}


@pytest.mark.parametrize(
    "typed", ["foobar internship", "praktikum xyzzyx", "2031 internship", "sound internship"]
)
async def test_a_word_that_no_listing_has_empties_no_list_of_internships(
    seeded: InternshipHarness, typed: str
) -> None:
    found = await seeded.search(q=typed)
    assert found.data
    assert found.match_kind == common.MATCH_KIND_PARTIAL
    assert found.did_you_mean == ""
    following = await seeded.search(q=typed, page_token=found.next_page_token)
    assert following.data
    assert following.total_size == found.total_size
    assert not {hit.id for hit in found.data} & {hit.id for hit in following.data}


def test_the_table_is_of_some_size() -> None:
    assert len({typed for typed, _ in FIRST_HITS}) >= 60
