"""What docs/helm.md says of Helm works: installations and upgrades are rendered, all options exist."""

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from devstack.toolbox import tools
from ops.paths import REPO
from verify.chart.rendering import HELM_RELEASES, OPERATOR_KINDS, SAMPLE_DIGEST, run_helm

PAGE = REPO / "docs" / "helm.md"
RENDERED_COMMANDS = ("install", "upgrade")
OF_INSTALLATIONS = ("--create-namespace", "--reuse-values")
"""Options that a rendering does not have."""


def helm_lines() -> Iterator[list[str]]:
    for line in PAGE.read_text().splitlines():
        if line.startswith("helm "):
            yield shlex.split(line.replace("sha256:...", SAMPLE_DIGEST))[1:]


LINES = list(helm_lines())


@pytest.mark.parametrize("words", LINES, ids=lambda words: " ".join(words)[:50])
@pytest.mark.parametrize("helm", HELM_RELEASES)
def test_a_line_of_the_page_is_known_to_helm(helm: str, words: list[str]) -> None:
    told = run_helm(tools.helm(helm), [words[0], "--help"])

    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(^|\s){re.escape(word)}[\s,]", told), word


@pytest.mark.parametrize("words", [words for words in LINES if words[0] in RENDERED_COMMANDS])
def test_an_installation_of_the_page_renders(words: list[str]) -> None:
    if "--reuse-values" in words:
        words = [*next(each for each in LINES if each[0] == "upgrade"), *words[3:]]
    rest = [word for word in words[1:] if word not in OF_INSTALLATIONS]
    kinds = [f"--api-versions={kind}" for kind in OPERATOR_KINDS]
    text = run_helm(tools.helm(HELM_RELEASES[0]), ["template", *rest, *kinds])

    assert len(list(yaml.safe_load_all(text))) > 100
