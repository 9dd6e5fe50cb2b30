"""Each rule finds what breaks it, and passes what does not."""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from verify.code_rules import layers, names, words
from verify.code_rules.rules import RULES
from verify.code_rules.source import RuleViolation, SourceFile, parse_sources

BANNED = words.read_banned_words()
IN_NAMES = next(each for each in BANNED if each.in_names)
IN_TEXT = next(each for each in BANNED if not each.in_names)
Rule = Callable[[Iterable[SourceFile]], Iterator[RuleViolation]]


def found(rule: Rule, **texts: str) -> list[str]:
    """Return the places that a rule finds; `__` in a name stands for a slash."""
    files = {
        name.replace("__", "/").replace("/main/", "__main__") + ".py": textwrap.dedent(text)
        for name, text in texts.items()
    }
    return [f"{each.path}:{each.line}" for each in rule(parse_sources(files))]


def banned(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    return words.find_banned_words(files, BANNED)


@pytest.mark.parametrize(
    "text",
    [
        f'"""The {IN_NAMES.word} of a thing."""',
        f"x = 1  # the {IN_NAMES.word.upper()}",
        f'x = 1\n"""Its {IN_TEXT.word} here."""'.replace("\n", "\n"),
        f"def spare_{IN_NAMES.word}():\n    ...",
        f"class Spare{IN_NAMES.word.capitalize()}:\n    ...",
        f"def f(spare_{IN_NAMES.word}):\n    ...",
        f"for {IN_NAMES.word} in (): ...",
        f"self.{IN_NAMES.word} = 1",
    ],
)
def test_a_banned_word_is_found_in_names_docstrings_and_comments(text: str) -> None:
    assert len(found(banned, chassis__a=text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        f'x = "{IN_NAMES.word}"',
        f"x = y.{IN_NAMES.word}",
        f'"""A {IN_NAMES.word}ful, and `{IN_NAMES.word}` as it is stored."""',
        f"def mush{IN_NAMES.word}():\n    ...",
        f"def {IN_TEXT.word.replace(' ', '_')}():\n    ...",
    ],
)
def test_data_other_words_and_quoted_names_are_not_banned(text: str) -> None:
    assert found(banned, chassis__a=text) == []


def test_the_place_of_a_banned_word_is_its_own_line() -> None:
    text = f'"""A docstring.\n\nIts third line has the {IN_NAMES.word}.\n"""'
    assert found(banned, chassis__a=text) == ["chassis/a.py:3"]


def test_a_list_of_words_says_what_to_use_instead(tmp_path: Path) -> None:
    broken = tmp_path / "words.txt"
    broken.write_text("# a comment\nimage\n")
    with pytest.raises(ValueError, match="'image' does not say what to use instead"):
        words.read_banned_words(broken)


@pytest.mark.parametrize(
    "name", ["MOST_CALLS", "_LONGEST_S", "LEAST", "ENOUGH", "LOOK_EVERY_S", "CALLS_MOST"]
)
def test_a_bound_is_called_max_or_min(name: str) -> None:
    assert found(words.find_misnamed_bounds, chassis__a=f"{name} = 1") == ["chassis/a.py:1"]
    assert found(words.find_misnamed_bounds, chassis__a=f"MAX_CALLS = 1\nprint({name})") == []


@pytest.mark.parametrize("text", ["def f(most_s): ...", "longest_s = 1", "self.most_calls = 1"])
def test_so_is_a_parameter_a_variable_or_an_attribute(text: str) -> None:
    assert found(words.find_misnamed_bounds, chassis__a=text) == ["chassis/a.py:1"]


def test_the_name_of_a_setting_is_that_of_its_variable() -> None:
    assert found(words.find_misnamed_bounds, services__user__settings="most_streams: int = 1") == []


def test_two_public_classes_of_one_name_are_found_and_tests_may_repeat_it() -> None:
    one, private = "class Page: ...", "class _Page: ..."
    rule = names.find_duplicate_classes
    assert found(rule, chassis__a=one, services__auth__api=one) == [
        "chassis/a.py:1",
        "services/auth/api.py:1",
    ]
    assert found(rule, chassis__a=one, chassis__b=private, tests__a=one) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services__user__domain__model", "from google.protobuf import timestamp_pb2"),
        ("services__user__domain", "from internshipconnect.user.v1 import user_pb2"),
        ("services__user__domain__model", "def f():\n    import grpc"),
        ("services__user__service__edit", "from pymongo.errors import PyMongoError"),
        ("services__user__service", "import bson"),
        ("services__internship__search__index", "from pymongo import ASCENDING"),
    ],
)
def test_inner_layers_import_neither_protobuf_nor_the_database(path: str, text: str) -> None:
    assert len(found(layers.find_forbidden_imports, **{path: text})) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services__user__repository", "from pymongo import ASCENDING"),
        ("services__user__mapping", "from internshipconnect.user.v1 import user_pb2"),
        ("services__user__service__edit", "from chassis.errors import DomainError"),
        ("chassis__domain", "import grpc"),
    ],
)
def test_outer_layers_import_what_they_need(path: str, text: str) -> None:
    assert found(layers.find_forbidden_imports, **{path: text}) == []


@pytest.mark.parametrize("text", ["self.users.find_one({})", "rows.aggregate(pipeline)"])
def test_queries_stand_in_the_repository_alone(text: str) -> None:
    rule = layers.find_misplaced_queries
    assert len(found(rule, services__user__service__edit=text)) == 1
    assert found(rule, services__user__repository__users=text) == []
    assert found(rule, chassis__sharding__shards=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "pool.scatter(ask)",
        "def f(a: Shard): ...",
        "def shard_of(user): ...",
        "def f(shard_name): ...",
        "page.missing_shards",
        "class ByShard: ...",
        "from chassis.sharding.shards import ScatterResult",
        "from chassis.sharding import transactions",
    ],
)
def test_shards_are_named_in_the_repository_and_the_wiring_alone(text: str) -> None:
    rule = layers.find_exposed_shards
    assert found(rule, services__user__service__edit=text) == ["services/user/service/edit.py:1"]
    assert found(rule, services__user__api=text) == ["services/user/api.py:1"]
    assert found(rule, services__user__repository=text) == []
    assert found(rule, services__user__repository__users=text) == []
    assert found(rule, services__user____main__=text) == []
    assert found(rule, chassis__cache=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Answer(missing_shards=missing)",
        "from chassis.sharding.reconciler import ReconcileProgress",
        "shardless = 1",
    ],
)
def test_the_contracts_word_for_shards_and_the_reconciler_may_stand_beside_the_repository(text: str) -> None:
    assert found(layers.find_exposed_shards, services__user__api=text) == []


def test_a_search_in_a_text_is_no_query() -> None:
    assert found(layers.find_misplaced_queries, services__user__api='name.find("x")') == []


def test_a_service_without_a_file_of_the_plan_is_found() -> None:
    whole = {f"services/{service}/{name}.py": "" for service in layers.SERVICES for name in layers.PLAN}
    assert list(layers.find_missing_files(parse_sources(whole))) == []
    del whole["services/auth/jobs.py"]
    whole["services/user/domain/__init__.py"] = whole.pop("services/user/domain.py")
    [missing] = layers.find_missing_files(parse_sources(whole))
    assert missing.path == "services/auth/jobs.py"


def test_a_long_method_of_a_servicer_is_found() -> None:
    body = "\n".join(f"        x{number} = 1" for number in range(layers.MAX_SERVICER_LINES))
    text = f"class UserServicer:\n    async def GetMe(self):\n{body}\n"
    assert found(layers.find_thick_servicers, services__user__api=text) == ["services/user/api.py:2"]
    assert (
        found(layers.find_thick_servicers, services__user__service__edit=text.replace("Servicer", "")) == []
    )


def test_long_wiring_is_found() -> None:
    text = "x = 1\n" * (layers.MAX_MAIN_LINES + 1)
    files = parse_sources({"services/user/__main__.py": text})
    assert [each.path for each in layers.find_thick_servicers(files)] == ["services/user/__main__.py"]


def test_every_rule_passes_nothing_at_all() -> None:
    for name, rule in RULES.items():
        if name != "service files":
            assert list(rule([])) == []
