"""A search with a blank in it finds the same, whichever library writes the query."""

import json
import secrets
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pytest
import requests

from devstack.journey.client import ApiUser, Json, wait_for_result
from devstack.journey.main_journey import sample_listing
from tests.stack import StackHandle

Search = Callable[[str, Mapping[str, str]], Any]
_FETCH: Final = """
const [base, wanted] = process.argv.slice(1);
const answer = await fetch(base + "?" + new URLSearchParams(JSON.parse(wanted)));
console.log(await answer.text());
"""


def _httpx(url: str, wanted: Mapping[str, str]) -> Any:
    return httpx.get(url, params=wanted, trust_env=False).json()


def _requests(url: str, wanted: Mapping[str, str]) -> Any:
    return requests.get(url, params=wanted, timeout=10).json()


def _urllib(url: str, wanted: Mapping[str, str]) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(wanted)}", timeout=10) as answer:
        return json.load(answer)


def _fetch(url: str, wanted: Mapping[str, str]) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    command = [node, "--input-type=module", "-e", _FETCH, url, json.dumps(wanted)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=20).stdout)


@pytest.fixture(scope="module")
def published(owner: ApiUser) -> Json:
    """Return a listing in a field of its own, whose name has a blank and a plus."""
    field = f"Data Science C++ {secrets.token_hex(4)}"
    draft = owner.post("/api/v1/internships", **{**sample_listing("blank"), "field": field})
    open_ = owner.post(f"/api/v1/internships/{draft['id']}:publish")
    wait_for_result(
        lambda: owner.get("/api/v1/internships", field=field)["data"] or None, "the listing to be found"
    )
    return open_


@pytest.mark.parametrize("search", [_httpx, _requests, _urllib, _fetch])
def test_a_blank_and_a_plus_are_what_the_client_meant(
    stack: StackHandle, published: Json, search: Search
) -> None:
    found = search(f"{stack.gateway_url}/api/v1/internships", {"field": published["field"], "pageSize": "1"})
    assert [hit["id"] for hit in found["data"]] == [published["id"]]
