"""What the script of the pages shows, run by Node with a document of its own."""

import json
import shutil
import subprocess
from typing import Any, Final

import pytest

from gateway.pages.landing_pages import load_page_assets

_DOCUMENT: Final = """
const [script, input] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const parts = {};
const element = () => ({ hidden: true, textContent: "", addEventListener() {} });
globalThis.document = {
  body: { dataset: { page: input.page } },
  documentElement: { lang: input.language },
  getElementById: (name) => (parts[name] ||= element()),
  querySelector: () => null,
};
globalThis.location = { pathname: `/app/${input.page}s/some-id` };
globalThis.CSS = { escape: (text) => text };
globalThis.fetch = async () => ({ ok: true, json: async () => input.answer });
new Function(script)();
setTimeout(() => process.stdout.write(parts.deadline.textContent), 0);
"""


def _shown_deadline(language: str, zone: str, **answer: Any) -> str:
    script = next(asset.content for asset in load_page_assets() if asset.name.endswith(".js"))
    listing = {"title": "A", "state": "INTERNSHIP_STATE_OPEN", **answer}
    given = json.dumps([script, {"page": "internship", "language": language, "answer": listing}])
    node = shutil.which("node")
    assert node is not None
    ended = subprocess.run(
        [node, "-e", _DOCUMENT], input=given, capture_output=True, text=True, check=True, env={"TZ": zone}
    )
    return ended.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node to run the script of the pages")
@pytest.mark.parametrize(
    ("language", "readers_zone", "deadline", "zone", "shown"),
    [
        ("en", "UTC", "2027-06-30T21:59:00Z", "Europe/Berlin",
         "30 June 2027, 23:59 (Europe/Berlin, UTC+02:00)"),
        ("de", "UTC", "2027-06-30T21:59:00Z", "Europe/Berlin",
         "30. Juni 2027, 23:59 (Europe/Berlin, UTC+02:00)"),
        ("en", "Asia/Tokyo", "2027-06-30T14:59:00Z", "",
         "30 June 2027, 23:59 (Asia/Tokyo, UTC+09:00)"),
        ("en", "Asia/Tokyo", "2027-01-01T00:00:00Z", "UTC",
         "1 January 2027, 00:00 (UTC+00:00)"),
        ("en", "UTC", "2027-10-31T00:30:00Z", "Europe/Berlin",
         "31 October 2027, 02:30 (Europe/Berlin, UTC+02:00)"),
        ("en", "UTC", "2027-10-31T01:30:00Z", "Europe/Berlin",
         "31 October 2027, 02:30 (Europe/Berlin, UTC+01:00)"),
        ("en", "UTC", "2027-07-01T02:29:00Z", "America/St_Johns",
         "30 June 2027, 23:59 (America/St_Johns, UTC-02:30)"),
    ],
)  # fmt: skip
def test_a_deadline_names_its_zone_and_offset(
    language: str, readers_zone: str, deadline: str, zone: str, shown: str
) -> None:
    found = _shown_deadline(language, readers_zone, applyDeadline=deadline, applyDeadlineZone=zone)
    assert found == shown


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node to run the script of the pages")
def test_a_listing_without_a_deadline_shows_none() -> None:
    assert _shown_deadline("en", "UTC") == "\N{EN DASH}"


_INVITATION: Final = """
const [script, hash] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const parts = {};
const element = () => ({ hidden: true, textContent: "", addEventListener() {} });
globalThis.document = {
  body: { dataset: { page: "invitation" } },
  documentElement: { lang: "en" },
  getElementById: (name) => (parts[name] ||= element()),
  querySelector: () => null,
};
globalThis.location = { pathname: "/app/invitation", search: "?lang=en", hash };
const shown = [];
globalThis.history = { replaceState: (state, title, address) => shown.push(address) };
globalThis.CSS = { escape: (text) => text };
const calls = [];
globalThis.fetch = async (path, request) => {
  calls.push([path, JSON.parse(request.body)]);
  const offer = { companyName: "Acme", companyState: "COMPANY_STATE_VERIFIED", role: "COMPANY_ROLE_OWNER" };
  return { ok: true, json: async () => ({ ...offer, state: "INVITATION_STATE_SENT" }) };
};
new Function(script)();
setTimeout(() => process.stdout.write(JSON.stringify({ calls, shown, title: parts.title.textContent })), 0);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node to run the script of the pages")
def test_the_secret_of_an_invitation_leaves_the_address_and_opening_the_page_only_looks_it_up() -> None:
    script = next(asset.content for asset in load_page_assets() if asset.name.endswith(".js"))
    node = shutil.which("node")
    assert node is not None
    given = json.dumps([script, "#cmp_1.secret"])
    ended = subprocess.run([node, "-e", _INVITATION], input=given, capture_output=True, text=True, check=True)
    seen = json.loads(ended.stdout)
    assert seen["shown"] == ["/app/invitation?lang=en"]
    assert seen["calls"] == [["/api/v1/invitations:lookup", {"invitationToken": "cmp_1.secret"}]]
    assert seen["title"] == "Acme"
