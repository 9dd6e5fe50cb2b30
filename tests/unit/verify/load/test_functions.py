"""The functions of Artillery's scenarios, run by Node."""

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from devstack.toolbox import tools
from verify.load.profiles import CONFIG_FILE, FUNCTIONS_FILE

needs_node = pytest.mark.skipif(not tools.has_node(), reason="node and npm are not on the PATH")


def evaluate(script: str, **variables: str) -> Any:
    """Return what a script prints as JSON; `f` are the functions, `context` is a session's."""
    head = f"""
    const f = require({json.dumps(str(FUNCTIONS_FILE))});
    const context = {{vars: {{openListings: ["int_1", "int_2"], titles: ["Backend Intern"]}}, funcs: {{}}}};
    const print = (value) => console.log(JSON.stringify(value));
    const ended = (error) => {{ if (error) print(error.message); }};
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOAD_")}
    done = subprocess.run(
        ["node", "-e", head + script], check=True, capture_output=True, text=True, env=clean | variables
    )
    return json.loads(done.stdout)


@needs_node
def test_random_values_have_their_shape() -> None:
    text, email, numbers = evaluate(
        "print([f.$randomString(8), f.$randomEmail(), Array.from({length: 200}, () => f.$randomInt(1, 3))])"
    )
    assert re.fullmatch(r"[a-z0-9]{8}", text)
    assert re.fullmatch(r"[a-z0-9]{12}@load\.example\.com", email)
    assert set(numbers) == {1, 2, 3}


@needs_node
def test_a_session_can_call_them_from_templates() -> None:
    assert evaluate("f.startSession(context, {}, () => print(Object.keys(context.funcs).sort()))") == [
        "$randomEmail",
        "$randomInt",
        "$randomString",
    ]


@needs_node
def test_each_session_applies_with_a_pair_of_its_own() -> None:
    pairs = evaluate(
        """
        print(Array.from({length: 6}, () => {
          f.chooseApplicant(context, {}, ended);
          return [context.vars.email, context.vars.listingId];
        }))
        """,
        LOAD_PASSWORD="x",
        LOAD_STUDENTS="3",
        LOAD_LISTINGS="int_8,int_9",
    )
    assert len({tuple(pair) for pair in pairs}) == 6
    assert pairs[0] == ["student-1@seed.example.com", "int_8"]
    assert pairs[3] == ["student-1@seed.example.com", "int_9"]


@needs_node
def test_pods_have_different_students() -> None:
    script = "f.chooseApplicant(context, {}, ended); print(context.vars.email)"
    given = {"LOAD_PASSWORD": "x", "LOAD_STUDENTS": "200"}
    assert evaluate(script, **given, JOB_COMPLETION_INDEX="3") == "student-601@seed.example.com"


@needs_node
def test_a_session_without_a_password_says_so() -> None:
    assert "LOAD_PASSWORD is not set" in evaluate("f.chooseApplicant(context, {}, ended)")


@needs_node
def test_every_question_is_answered_by_its_kind() -> None:
    questions = [
        {"id": "a", "kind": "QUESTION_KIND_TEXT"},
        {"id": "b", "kind": "QUESTION_KIND_YES_NO"},
        {"id": "c", "kind": "QUESTION_KIND_SINGLE_CHOICE", "choices": ["x", "y"]},
    ]
    response = json.dumps({"statusCode": 200, "body": json.dumps({"questions": questions})})
    answers = evaluate(
        f"f.answerQuestions({{}}, {response}, context, {{}}, ended); print(context.vars.answers)"
    )
    assert [each["questionId"] for each in answers] == ["a", "b", "c"]
    assert answers[1]["text"] == "yes"
    assert answers[2]["choices"][0] in ("x", "y")


@needs_node
def test_no_open_listings_are_an_error_after_some_tries_and_not_an_empty_run() -> None:
    asked, said = evaluate(
        """
        f.rememberListings({url: "/x"}, {statusCode: 504, body: "late"}, context, {}, ended);
        let asked = 0;
        for (let goesOn = true; goesOn; asked++) f.lacksListings(context, (more) => { goesOn = more; });
        f.requireListings(context, {}, (error) => print([asked, error.message]));
        """
    )
    assert (asked, said) == (10, "/x shows no open listings (HTTP 504)")


@needs_node
def test_listings_are_remembered_and_end_the_asking() -> None:
    body = json.dumps({"data": [{"id": "int_7", "title": "Data Intern"}]})
    response = json.dumps({"statusCode": 200, "body": body})
    more, listings, error = evaluate(
        f"""
        f.rememberListings({{url: "/x"}}, {response}, context, {{}}, ended);
        let more;
        f.lacksListings(context, (each) => {{ more = each; }});
        f.requireListings(context, {{}}, (error) => print([more, context.vars.openListings, error || ""]));
        """
    )
    assert (more, listings, error) == (False, ["int_7"], "")


@needs_node
def test_an_address_is_made_up_only_where_that_is_wanted() -> None:
    script = "const r = {headers: {a: '1'}}; f.sendAddress(r, context, {}, () => print(r.headers))"
    assert evaluate(script) == {"a": "1"}
    assert re.fullmatch(
        r"198\.1[89]\.\d+\.\d+", evaluate(script, LOAD_ADDRESSES="made-up")["x-forwarded-for"]
    )


@needs_node
def test_a_session_keeps_one_address_and_the_next_has_another() -> None:
    addresses = evaluate(
        """
        const send = () => {
          const request = {};
          f.sendAddress(request, context, {}, ended);
          return request.headers["x-forwarded-for"];
        };
        f.startSession(context, {}, ended);
        const first = [send(), send()];
        f.startSession(context, {}, ended);
        print([...first, send()]);
        """,
        LOAD_ADDRESSES="made-up",
    )
    assert addresses[0] == addresses[1] != addresses[2]


@needs_node
@pytest.mark.parametrize("title", ["😀😀😀😀😀😀😀 研究", "研" * 160, "é", "Backend Intern (Go)"])
def test_what_is_searched_for_is_whole_characters_of_a_title(title: str) -> None:
    script = """
    context.vars.titles = [process.env.TITLE];
    print(Array.from({length: 20}, () => {
      f.chooseQuery(context, {}, ended);
      return [context.vars.query, context.vars.typed];
    }))
    """
    for query, typed in evaluate(script, TITLE=title):
        query.encode(), typed.encode()
        assert sorted(query) == sorted(" ".join(title.split(" ")[:3]))
        assert title.startswith(typed)
        assert len(typed) == min(4, len(title))


def test_every_function_that_the_scenarios_name_is_exported() -> None:
    exported = set(
        re.findall(r"^  ([$\w]+),$", FUNCTIONS_FILE.read_text().partition("module.exports")[2], re.M)
    )
    text = CONFIG_FILE.read_text()
    used = set(re.findall(r"\{\{ (\$random\w+)\(", text))
    for key in ("function", "whileTrue", "beforeRequest", "afterResponse", "beforeScenario"):
        for value in re.findall(rf"{key}: (.+)", text):
            used |= set(yaml.safe_load(value) if value.startswith("[") else [value])
    assert used <= exported
    assert {"$randomString", "$randomEmail", "$randomInt"} <= exported


def test_a_session_signs_in_once_and_its_writes_carry_keys() -> None:
    [apply] = [
        each for each in yaml.safe_load(CONFIG_FILE.read_text())["scenarios"] if each["name"] == "apply"
    ]
    posts = [step["post"] for step in apply["flow"] if "post" in step]
    assert [post["name"] for post in posts].count("sign in") == 1
    for post in posts:
        assert post["name"] == "sign in" or "idempotency-key" in post["headers"]
