"""JMeter's plan is complete, takes its parameters from outside, and its results become figures."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from ops.errors import OpsError
from verify.load.jmeter import PLAN_FILE, parse_jmeter_results, plan_properties
from verify.load.load_data import LoadData
from verify.load.load_target import LoadTarget
from verify.load.profiles import read_profile

RESULTS = """\
timeStamp,elapsed,label,responseCode,responseMessage,success,failureMessage
1000,10,view,200,OK,true,
2000,30,view,429,Too Many Requests,false,
12000,20,submit,200,OK,false,"Test failed: text expected to contain ""id"":"
13000,40,submit,Non HTTP response code: java.net.Xy,Non HTTP response message: refused,false,text?
"""
DATA = LoadData("secret", ["a", "b"], ["int_1", "int_2"])
TARGET = LoadTarget("http", "127.0.0.1", 8099)


def plan() -> ElementTree.Element:
    return ElementTree.parse(PLAN_FILE).getroot()


def samplers(group: str) -> Iterator[tuple[ElementTree.Element, ElementTree.Element]]:
    """Yield each sampler of a thread group with the tree of what belongs to it."""
    for tree in plan().iter("hashTree"):
        children = list(tree)
        for i, each in enumerate(children):
            if each.tag in ("ThreadGroup", "SetupThreadGroup") and each.get("testname") == group:
                inside = list(children[i + 1])
                yield from (
                    (sampler, inside[j + 1])
                    for j, sampler in enumerate(inside)
                    if sampler.tag == "HTTPSamplerProxy"
                )


@pytest.mark.parametrize(("group", "requests"), [("prepare", 1), ("browse", 5), ("apply", 7), ("search", 4)])
def test_each_scenario_is_a_group_whose_answers_are_checked_by_content(group: str, requests: int) -> None:
    found = list(samplers(group))
    assert len(found) == requests
    unchecked = [sampler.get("testname") for sampler, tree in found if tree.find("ResponseAssertion") is None]
    assert unchecked in ([], ["sign out"])


def test_the_groups_are_artillerys_scenarios_and_each_of_them_thinks() -> None:
    groups = [each.get("testname") for each in plan().iter("ThreadGroup")]
    assert groups == list(read_profile("smoke").shares)
    assert len(list(plan().iter("UniformRandomTimer"))) == len(groups)


def test_every_answer_has_to_have_the_status_200() -> None:
    [status] = [
        each for each in plan().iter("ResponseAssertion") if each.get("testname") == "the status is 200"
    ]
    texts = [each.text for each in status.iter("stringProp")]
    assert texts == ["200", "Assertion.response_code"]


def test_listeners_are_off_and_writes_carry_a_key() -> None:
    listeners = list(plan().iter("ResultCollector"))
    assert listeners
    assert {each.get("enabled") for each in listeners} == {"false"}
    for sampler, tree in samplers("apply"):
        method = next(
            each.text for each in sampler.iter("stringProp") if each.get("name") == "HTTPSampler.method"
        )
        names = [each.text for each in tree.iter("stringProp") if each.get("name") == "Header.name"]
        if method == "POST" and sampler.get("testname") != "sign in":
            assert "idempotency-key" in names


def test_only_one_sampler_of_a_session_signs_in() -> None:
    paths = [
        each.text
        for sampler, _ in samplers("apply")
        for each in sampler.iter("stringProp")
        if each.get("name") == "HTTPSampler.path"
    ]
    assert paths.count("/api/v1/auth/login") == 1


def test_every_parameter_that_is_given_is_one_of_the_plan() -> None:
    text = PLAN_FILE.read_text()
    given = plan_properties(read_profile("smoke"), TARGET, DATA)
    read = set(re.findall(r"__P\((\w+)", text)) | set(re.findall(r"getProperty\(&quot;(\w+)&quot;", text))
    assert set(given) <= read
    assert read - set(given) == {"protocol", "think_ms", "think_range_ms"}


def test_threads_are_divided_by_the_shares_of_the_scenarios() -> None:
    given = plan_properties(read_profile("smoke"), TARGET, DATA)
    assert [given[f"{name}_threads"] for name in ("browse", "apply", "search")] == ["5", "4", "4"]
    assert (given["seconds"], given["ramp"]) == ("20", "10")
    assert (given["host"], given["port"], given["listings"]) == ("127.0.0.1", "8099", "int_1,int_2")


def test_results_become_figures_by_label() -> None:
    result = parse_jmeter_results(RESULTS.splitlines())
    assert (result.attempted, result.failed, result.duration_s, result.p99_ms) == (4, 3, 12, 40)
    submit, view = result.calls
    assert (view.name, view.count, view.failures) == ("view", 2, {"HTTP 429": 1})
    assert submit.failures == {
        'Test failed: text expected to contain "id":': 1,
        "refused": 1,
    }
    assert [each.start_s for each in result.intervals] == [0, 10]


def test_an_empty_file_is_a_run_without_answers_and_another_one_is_refused() -> None:
    assert parse_jmeter_results([RESULTS.splitlines()[0]]).attempted == 0
    with pytest.raises(OpsError, match="lack a header"):
        parse_jmeter_results(["1,2,3", "1,2,3"])
