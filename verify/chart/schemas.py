"""Kubernetes' own schemas, strict: a field that a version does not know is an error."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from devstack.toolbox import tools
from verify.chart.manifests import ChartRelease, Manifest, describe
from verify.chart.operator_kinds import PACKAGES

KUBERNETES_VERSIONS: Final = tuple(f"1.{minor}" for minor in range(30, 38))
SHORT_VERSIONS: Final = (KUBERNETES_VERSIONS[0], KUBERNETES_VERSIONS[-1])


def find_schema_errors(release: ChartRelease, version: str) -> Iterator[str]:
    """Return every error of every manifest; a kind without a schema is one."""
    folder = tools.kubernetes_schemas()
    for manifest in release.manifests:
        if manifest["kind"] in PACKAGES:
            continue
        validator = _validator(folder / f"v{version}.0-local-strict", _schema_name(manifest))
        if validator is None:
            kind = f"{manifest['apiVersion']} {manifest['kind']}"
            yield f"{describe(manifest)}: Kubernetes {version} does not know {kind}"
            continue
        for error in validator.iter_errors(manifest):
            yield f"{describe(manifest)}: Kubernetes {version}: {error.json_path}: {error.message}"


def _schema_name(manifest: Manifest) -> str:
    group, _, version = manifest["apiVersion"].rpartition("/")
    prefix = f"{group.partition('.')[0]}-" if group else ""
    return f"{manifest['kind'].lower()}-{prefix}{version}.json"


@cache
def _validator(folder: Path, name: str) -> Any:
    path = folder / name
    if not path.exists():
        return None
    resource = Resource.from_contents(json.loads(path.read_text()))
    return Draft202012Validator(resource.contents, registry=resource @ _definitions(folder))


@cache
def _definitions(folder: Path) -> Any:
    contents = json.loads((folder / "_definitions.json").read_text())
    return Resource.from_contents(contents) @ Registry()
