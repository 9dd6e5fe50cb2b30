"""Clients that common generators make of the served document work against the gateway."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from devstack.journey.client import Json
from devstack.journey.main_journey import JOURNEY_PASSWORD, Journey, JourneyUsers, sample_listing
from devstack.toolbox import tools
from tests.stack import StackHandle

CLIENTS = Path(__file__).with_name("clients")
FIELD = "Data Science & Co"
EXPECTED = {
    "status": "STUDENT_STATUS_RECEIVED",
    "reason": "INVALID_FIELD",
    "violation": ["pageSize", "must be at least 0 and at most 50"],
    "moves": [
        {
            "target": "STUDENT_STATUS_WITHDRAWN",
            "call": "WithdrawApplication",
            "http": "POST /api/v1/applications/{applicationId}:withdraw",
        }
    ],
}


@pytest.fixture(scope="module")
def opened(walked: tuple[JourneyUsers, Journey]) -> Json:
    """Return a listing that takes applications."""
    company = walked[0].company
    marker = f"clients{secrets.token_hex(4)}"
    draft = company.post("/api/v1/internships", **sample_listing(marker) | {"field": FIELD, "openings": 5})
    company.post(f"/api/v1/internships/{draft['id']}:publish")
    return draft | {"marker": marker}


@pytest.fixture
def document(stack: StackHandle, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(httpx.get(f"{stack.gateway_url}/openapi.json", trust_env=False).text)
    return path


@pytest.fixture
def journey(stack: StackHandle, opened: Json) -> Mapping[str, str]:
    """Return the environment of a client's journey."""
    return {
        "GATEWAY": stack.gateway_url,
        "MAILBOX": stack.mailbox_url,
        "EMAIL": f"client.{secrets.token_hex(6)}@example.com",
        "PASSWORD": JOURNEY_PASSWORD,
        "INTERNSHIP": opened["id"],
        "MARKER": opened["marker"],
        "FIELD": FIELD,
    }


def run_client(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str] | None = None
) -> str:
    environment = {**os.environ, **(variables or {}), "NO_PROXY": "127.0.0.1,localhost"}
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def journey_lines(output: str, opened: Json) -> None:
    assert json.loads(output.splitlines()[-1]) == {"title": opened["title"], **EXPECTED}


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.skipif(not tools.has_node(), reason="node and npm are not on the PATH")
def test_a_typescript_client_compiles_and_makes_a_journey(
    document: Path, journey: Mapping[str, str], opened: Json, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(tools.node_modules())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("journey.ts", "tsconfig.json"):
        shutil.copy(CLIENTS / name, tmp_path)
    run_client([tools.node_tool("openapi-typescript"), document, "-o", "schema.d.ts"], tmp_path)
    run_client([tools.node_tool("tsc"), "-p", "."], tmp_path)
    journey_lines(run_client(["node", "built/journey.js"], tmp_path, journey), opened)


@pytest.mark.timeout(300)
def test_a_python_client_is_generated_without_a_warning_and_makes_a_journey(
    document: Path, journey: Mapping[str, str], opened: Json, tmp_path: Path
) -> None:
    generator = tools.python_tool("openapi-python-client")
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    arguments = ["--path", str(document), "--output-path", "generated_client", "--meta", "none"]
    said = run_client(
        [generator, "generate", *arguments, "--config", "config.yaml", "--fail-on-warning"], tmp_path
    )
    assert "warning" not in said.lower(), said
    shutil.copy(CLIENTS / "journey.py", tmp_path)
    journey_lines(run_client([generator.with_name("python"), "journey.py"], tmp_path, journey), opened)
