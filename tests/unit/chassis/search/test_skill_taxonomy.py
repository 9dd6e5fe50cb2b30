import re

import pytest

from chassis.search.skill_taxonomy import SkillTaxonomy, TaxonomySkill, shared_skill_taxonomy
from chassis.search.synonyms import SYNONYM_SETS, SynonymKind
from chassis.search.text_analysis import name_key

TAXONOMY = shared_skill_taxonomy()
FEW = SkillTaxonomy(
    [
        TaxonomySkill("ic:java", "Java"),
        TaxonomySkill("ic:javascript", "JavaScript", ("js", "ecmascript")),
        TaxonomySkill("ic:ml", "Machine Learning", ("ml", "maschinelles lernen")),
        TaxonomySkill("ic:kubernetes", "Kubernetes", ("k8s",)),
    ]
)


def suggested(text: str, limit: int = 10) -> list[str]:
    return [each.skill.name for each in FEW.suggest(text, limit)]


def test_ids_are_well_formed_and_each_stands_once() -> None:
    ids = [skill.id for skill in TAXONOMY.skills]
    assert len(ids) == len(set(ids)) > 300
    assert all(re.fullmatch(r"ic:[a-z0-9][a-z0-9.-]*", each) for each in ids)


def test_no_name_stands_for_two_skills() -> None:
    seen: dict[str, str] = {}
    for skill in TAXONOMY.skills:
        for key in set(map(name_key, skill.names)):
            assert seen.setdefault(key, skill.id) == skill.id, key


def test_every_spelling_that_the_search_knows_finds_the_skill() -> None:
    for known in SYNONYM_SETS:
        if known.kind is SynonymKind.SKILL:
            found = {TAXONOMY.find_by_name(spelling) for spelling in known.spellings}
            assert found == {TAXONOMY.find_by_name(known.label)} and None not in found, known.label


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("Python", "ic:python"),
        (" python3 ", "ic:python"),
        ("K8s", "ic:kubernetes"),
        ("c++", "ic:cpp"),
        ("C", "ic:c"),
        ("Node JS", "ic:node-js"),
        ("Statistik", "ic:statistics"),
        ("OKONOMETRIE", "ic:econometrics"),
        ("機械学習", "ic:machine-learning"),
    ],
)
def test_a_skill_is_found_by_any_of_its_names(written: str, id_: str) -> None:
    found = TAXONOMY.find_by_name(written)
    assert found is not None
    assert found.id == id_
    assert TAXONOMY.get(id_) is found


@pytest.mark.parametrize("written", ["", "  ", "Pyth", "underwater basket weaving", "$where"])
def test_any_other_text_is_none_of_them(written: str) -> None:
    assert TAXONOMY.find_by_name(written) is None


def test_the_own_name_comes_before_other_names_and_these_before_words_within() -> None:
    assert suggested("java") == ["Java", "JavaScript"]
    assert suggested("ecma") == ["JavaScript"]
    assert suggested("learn") == ["Machine Learning"]
    assert suggested("lernen") == ["Machine Learning"]


def test_a_suggestion_says_by_which_other_name_it_was_found() -> None:
    [by_alias] = FEW.suggest("k8", 10)
    [by_name] = FEW.suggest("kuber", 10)
    assert (by_alias.skill.id, by_alias.matched_name) == ("ic:kubernetes", "k8s")
    assert by_name.matched_name == ""


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("pyhton", "Python"),
        ("kuberntes", "Kubernetes"),
        ("javascirpt", "JavaScript"),
        ("mashine lear", "Machine Learning"),
    ],
)
def test_a_misspelling_is_understood(typed: str, name: str) -> None:
    assert name in [each.skill.name for each in TAXONOMY.suggest(typed, 5)]


def test_no_more_are_suggested_than_asked_for_and_none_for_nothing() -> None:
    assert suggested("j", 1) == ["Java"]
    assert suggested("") == suggested("!!!") == suggested("zzzz") == []
