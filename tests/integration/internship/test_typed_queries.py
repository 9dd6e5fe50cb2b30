"""What people type and the listing that they mean, over a real index of a few hundred listings."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from chassis.clock import FixedClock
from chassis.sharding.shards import Shards
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.repository import COLLECTIONS
from services.internship.repository.search_index import MongoSearchIndex
from tests.databases import own_databases
from tests.integration.internship.corpus import NAMED, entries
from tests.integration.internship.harness import NOW, InternshipHarness
from tests.stack import StackHandle

FIRST_HITS = [
    # Words that every listing means, places, ways of working, pay and fields.
    ("internship", "python-berlin"), ("python internship", "python-berlin"), ("Praktikum Python", "python-berlin"),
    ("python internship in amsterdam", "python-amsterdam"), ("remote python", "python-remote"),
    ("python, work from home", "python-remote"), ("data scientist", "data-science"),
    ("Data Science internship London", "data-science"), ("backend developer", "python-remote"),
    ("backend developer köln", "backend"), ("germany", "python-berlin"), ("deutschland java", "backend"),
    ("machine learning berlin", "ml-berlin"), ("golang", "go"), ("machine l", "ml-berlin"),
    ("machine le", "ml-berlin"), ("unpaid internship rome", "unpaid"), ("paid marketing madrid", "marketing"),
    ("home office marketing", "marketing"), ("hybrid munich go", "go"), ("remote sensing", "remote-sensing"),
    ("stage design paris", "graphic"), ("United States frontend", "frontend"),
    ("california chip design", "sanjose"), ("europe unpaid museum", "unpaid"), ("berlin or munich machine learning", "ml-berlin"),
    # Names in all their spellings, short ones and those with signs.
    ("IT", "it"), ("it internship", "it"), ("IT support hamburg", "it"), ("ai", "ai"), ("AI", "ai"),
    ("artificial intelligence", "ai"), ("airflow", "airflow"), ("C++", "cpp"), ("c++17", "cpp17"), ("C#", "csharp"),
    ("csharp unity", "csharp"), (".NET", "dotnet"), ("dotnet developer", "dotnet"), ("Node.js", "fullstack"),
    ("nodejs", "fullstack"), ("R", "r"), ("r statistics", "r"), ("Go", "go"), ("go developer", "go"),
    ("js", "javascript"), ("java", "java"), ("javascript", "javascript"), ("k8s terraform", "kubernetes"),
    ("k8s munich", "go"), ("ml", "ml-berlin"), ("nlp", "nlp"), ("ux designer", "ux"), ("hr dublin", "hr"),
    ("lawyer", "law"), ("full stack", "fullstack"), ("fullstack", "fullstack"), ("full-stack developer", "fullstack"),
    ("e-commerce", "ecommerce"), ("ecommerce", "ecommerce"), ("cyber security", "security"), ("seo writing", "seo"),
    # Other names of places, strokes and umlauts.
    ("münchen go", "go"), ("muenchen", "go"), ("cologne", "backend"), ("koeln", "backend"), ("bangalore robotics", "cpp"),
    ("Lodz", "dotnet"), ("gdansk", "kubernetes"), ("malmo game", "csharp"), ("sao paulo vue", "fullstack"),
    ("nyc frontend", "frontend"), ("NEW YORK FRONTEND", "frontend"), ("istanbul", "istanbul"), ("İSTANBUL", "istanbul"),
    ("duesseldorf", "german"), ("strassenverkehr", "german"), ("orsted", "orsted"), ("Ørsted", "orsted"),
    ("zurich ai", "ai"),
    # Misspelt, mixed case, punctuation.
    ("pyhton", "python-berlin"), ("pyhton berln", "python-berlin"), ("machne learning", "ml-berlin"),
    ("makreting madrid", "marketing"), ("kuberntes terraform", "kubernetes"), ("javascritp", "javascript"),
    ("PyThOn!!! (Berlin)", "python-berlin"), ("🚀 finance, london?", "finance"), ("\"legal\" + brussels", "law"),
    ("quokka", "company"), ("speed reading", "reading"),
    # Other scripts.
    ("機械学習", "japanese-ml"), ("機械学習 インターン", "japanese-ml"), ("研究開発", "tokyo"), ("東京 インターン", "tokyo"),
    ("東京でPythonのインターン", "tokyo"), ("การตลาด", "bangkok"), ("ฝึกงาน กรุงเทพ", "bangkok"), ("विश्लेषण", "delhi"),
    ("डेटा इंटर्न", "delhi"), ("разработчик", "moscow"), ("стажировка мобильных приложений", "moscow"),
    ("الهندسة المدنية", "cairo"), ("مهندس القاهرة", "cairo"), ("软件测试", "chinese"), ("데이터 분석", "seoul"),
    ("μηχανικος", "greek"), ("Мюнхен", "go"), ("ミュンヘン", "go"),
]  # fmt: skip


@pytest.fixture(scope="module")
async def typed_shards() -> AsyncIterator[Shards]:
    """Yield databases with the corpus in their index."""
    async with own_databases(StackHandle.under_test(), "internship", COLLECTIONS) as shards:
        await asyncio.gather(
            *(MongoSearchIndex(shards, FixedClock(NOW)).put(entry) for entry in entries()[1])
        )
        yield shards


@pytest.fixture
async def corpus(typed_shards: Shards, world: InternshipHarness) -> InternshipHarness:
    """Return the service over the corpus."""
    found = InternshipHarness(typed_shards, world.cache, world.redis)
    await found.lexicon.reload()
    return found


NAMES = {listing_id: name for name, listing_id in entries(0)[0].items()}


def names_of(found: pb.ListInternshipsResponse) -> list[str]:
    return [NAMES.get(hit.id, hit.title) for hit in found.data]


@pytest.mark.parametrize(("typed", "meant"), FIRST_HITS)
async def test_the_first_hit_is_the_listing_that_is_meant(
    corpus: InternshipHarness, typed: str, meant: str
) -> None:
    found = await corpus.search(q=typed)
    assert names_of(found)[:1] == [meant]
    assert found.match_kind in (common.MATCH_KIND_ALL, common.MATCH_KIND_UNSPECIFIED)
    assert found.total_size >= len(found.data)


@pytest.mark.parametrize(
    ("typed", "filters"),
    [
        ("remote python", {"workMode": "WORK_MODE_REMOTE"}),
        ("unpaid internship rome", {"paid": "false", "city": "Rome"}),
        ("data scientist cologne", {"field": "Data Science", "city": "Köln"}),
        ("germany", {"country": "DE"}),
    ],
)
async def test_the_answer_names_the_filters_that_words_stood_for_and_literal_turns_them_off(
    corpus: InternshipHarness, typed: str, filters: dict[str, str]
) -> None:
    found = await corpus.search(q=typed)
    assert {each.name: each.value for each in found.applied_filters} == filters
    assert all(each.text in typed for each in found.applied_filters)
    assert not (await corpus.search(q=typed, literal=True)).applied_filters


async def test_every_hit_of_a_place_and_a_way_of_working_is_there_and_so(corpus: InternshipHarness) -> None:
    for hit in (await corpus.search(q="remote internship in germany", page_size=50)).data:
        assert hit.work_mode == 3
        assert [place.country for place in hit.locations] == ["DE"]


@pytest.mark.parametrize(
    "typed", ["machine learning berlin", "python internship in amsterdam", "data science"]
)
async def test_no_letter_typed_or_taken_back_ever_empties_the_list(
    corpus: InternshipHarness, typed: str
) -> None:
    for length in range(1, len(typed) + 1):
        assert (await corpus.search(q=typed[:length])).data, typed[:length]


async def test_most_words_match_where_none_has_all_and_the_answer_says_so(corpus: InternshipHarness) -> None:
    found = await corpus.search(q="python internship in reykjavik", page_size=5)
    assert found.match_kind == common.MATCH_KIND_PARTIAL
    assert names_of(found)[0] == "python-berlin"
    following = await corpus.search(
        q="python internship in reykjavik", page_size=5, page_token=found.next_page_token
    )
    assert following.match_kind == common.MATCH_KIND_PARTIAL
    assert not {hit.id for hit in following.data} & {hit.id for hit in found.data}


async def test_listings_with_more_of_the_words_come_first(corpus: InternshipHarness) -> None:
    found = await corpus.search(q="zookeeper verilog chip hardware rome")
    assert (names_of(found)[0], found.match_kind) == ("sanjose", common.MATCH_KIND_PARTIAL)


async def test_misspelt_words_are_answered_with_what_was_read(corpus: InternshipHarness) -> None:
    assert (await corpus.search(q="pyhton berln")).did_you_mean == "python berlin"
    assert (await corpus.search(q="python berlin")).did_you_mean == ""


@pytest.mark.parametrize("typed", ["🚀", "!!!", ".*", "$", "({[", "\u200b"])
async def test_nothing_but_symbols_finds_nothing_and_says_why(corpus: InternshipHarness, typed: str) -> None:
    found = await corpus.search(q=typed)
    assert not found.data
    assert "letters or digits" in found.note


@pytest.mark.parametrize(
    "typed",
    ["$where", '{"$gt": ""}', "' OR 1=1 --", "a" * 200, "%2950159", "=python", "~engin", "__proto__",
     "terms.$[]", "x' || sleep(9)", "<script>", "%00", "ا" * 200, "機" * 200, "a-" * 100, "👩‍👩‍👧 café"],
)  # fmt: skip
async def test_hostile_text_is_text(corpus: InternshipHarness, typed: str) -> None:
    started = time.monotonic()
    found = await corpus.search(q=typed, with_facets=True)
    assert time.monotonic() - started < 5
    assert not found.missing_shards


async def test_ai_is_above_airflow_and_exact_above_unfinished_above_misspelt(
    corpus: InternshipHarness,
) -> None:
    assert "airflow" not in names_of(await corpus.search(q="ai"))[:4]
    java = names_of(await corpus.search(q="java", page_size=50))
    assert java.index("java") < java.index("backend")
    assert "javascript" not in java[: java.index("backend") + 1]


async def test_totals_are_exact_where_they_can_be_counted(corpus: InternshipHarness) -> None:
    found = await corpus.search(q="python", page_size=50)
    seen, token = len(found.data), found.next_page_token
    while token:
        page = await corpus.search(q="python", page_size=50, page_token=token)
        seen, token = seen + len(page.data), page.next_page_token
        assert page.total_size == found.total_size
    assert (found.total_size, found.total_is_estimate) == (seen, False)


async def test_facets_ignore_the_filter_that_words_stand_for(corpus: InternshipHarness) -> None:
    facets = {
        facet.name: {count.label: count.count for count in facet.counts}
        for facet in (await corpus.search(q="python berlin", with_facets=True)).facets
    }
    assert len(facets["city"]) > 1
    by_filter = await corpus.search(q="python", city="Berlin", with_facets=True)
    assert {c.label: c.count for f in by_filter.facets if f.name == "city" for c in f.counts} == facets[
        "city"
    ]


@pytest.mark.parametrize("city", ["Munich", "münchen", "MUENCHEN", "Мюнхен"])
async def test_the_filter_by_city_takes_any_of_its_names(corpus: InternshipHarness, city: str) -> None:
    found = await corpus.search(city=city, q="go")
    assert names_of(found) == ["go"]
    assert "city: Munich" in found.data[0].match_reasons


async def test_a_listing_without_coordinates_is_found_around_its_city(corpus: InternshipHarness) -> None:
    found = await corpus.search(near_lat=51.77, near_lng=19.46, radius_km=20)
    assert names_of(found) == ["dotnet"]
    assert found.data[0].distance_km < 20


@pytest.mark.parametrize(
    ("typed", "text", "kind"),
    [
        ("pyth", "Python", pb.SUGGESTION_KIND_SKILL), ("machine l", "Machine Learning", pb.SUGGESTION_KIND_SKILL),
        ("data sci", "Data Science Intern", pb.SUGGESTION_KIND_TITLE), ("quok", "Quokkaworks", pb.SUGGESTION_KIND_COMPANY),
        ("münch", "Munich", pb.SUGGESTION_KIND_PLACE), ("cologn", "Köln", pb.SUGGESTION_KIND_PLACE),
        ("k8s", "Kubernetes", pb.SUGGESTION_KIND_SKILL), ("pyhton", "Python", pb.SUGGESTION_KIND_SKILL),
        ("learn", "Machine Learning", pb.SUGGESTION_KIND_SKILL), ("ミュン", "Munich", pb.SUGGESTION_KIND_PLACE),
        ("機械", "機械学習", pb.SUGGESTION_KIND_SKILL), ("lod", "Łódź", pb.SUGGESTION_KIND_PLACE),
    ],
)  # fmt: skip
async def test_what_is_typed_is_completed_to_titles_skills_companies_and_places(
    corpus: InternshipHarness, typed: str, text: str, kind: int
) -> None:
    found = corpus.suggest(typed)
    assert (text, kind) in [(each.text, each.kind) for each in found]
    assert len(found) <= 10


@pytest.mark.parametrize("typed", ["", " ", "🚀", "!!!", "zzzzzzqq", "$where", "." * 100])
async def test_what_completes_to_nothing_suggests_nothing(corpus: InternshipHarness, typed: str) -> None:
    assert corpus.suggest(typed) == []


def test_the_table_is_of_some_size_and_each_name_is_known() -> None:
    assert len({typed for typed, _ in FIRST_HITS}) >= 60
    assert {meant for _, meant in FIRST_HITS} <= NAMED.keys()
