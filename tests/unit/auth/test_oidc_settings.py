"""The operator's file of other providers to sign in with."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.auth.oidc_client import load_providers

CAMPUS = {
    "id": "campus",
    "name": "Campus login",
    "issuer": "https://login.example.edu",
    "client_id": "internshipconnect",
    "client_secret": "very secret",
}


def written(folder: Path, *providers: dict[str, Any]) -> Path:
    path = folder / "providers.json"
    path.write_text(json.dumps(providers))
    return path


def test_a_provider_is_read_and_its_secret_is_not_shown(tmp_path: Path) -> None:
    [provider] = load_providers(written(tmp_path, CAMPUS))
    assert provider.client_secret.get_secret_value() == "very secret"
    assert "very secret" not in repr(provider)


def test_without_a_file_there_is_none() -> None:
    assert load_providers(None) == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://login.example.edu"},
        {"issuer": "http://127.0.0.1.example.edu"},
        {"issuer": "login.example.edu"},
        {"issuer": "https://login.example.edu?x=1"},
        {"id": "Campus"},
        {"name": ""},
        {"client_id": ""},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_a_provider_that_cannot_be_trusted_or_used_stops_the_start(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"providers\.json") as refused:
        load_providers(written(tmp_path, CAMPUS | changed))
    assert "very secret" not in str(refused.value)


def test_a_file_that_is_no_json_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "providers.json"
    path.write_text('[{"client_secret": "very secret"')
    with pytest.raises(ValueError, match="Invalid JSON") as refused:
        load_providers(path)
    assert "very secret" not in str(refused.value)


def test_two_providers_of_one_id_or_one_issuer_stop_the_start(tmp_path: Path) -> None:
    for other in ({"issuer": "https://id.example.org"}, {"id": "other"}):
        with pytest.raises(ValueError, match="twice"):
            load_providers(written(tmp_path, CAMPUS, CAMPUS | other))


def test_a_provider_of_this_machine_needs_no_tls(tmp_path: Path) -> None:
    [provider] = load_providers(written(tmp_path, CAMPUS | {"issuer": "http://127.0.0.1:9000"}))
    assert provider.issuer == "http://127.0.0.1:9000"
