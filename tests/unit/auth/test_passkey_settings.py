"""Where passkeys may be used, by the service's settings."""

from typing import Any

import pytest

from services.auth.settings import AuthSettings

GATEWAY = "https://api.example.com"


def site(**fields: Any) -> tuple[str, tuple[str, ...]]:
    """Return domain and origins by these settings; the stores' settings are not looked at."""
    settings: Any = AuthSettings.model_construct(**{"public_url": GATEWAY, **fields})
    found = settings._has_origins_of_domain().passkey_site
    return found.domain, found.origins


def test_by_default_passkeys_belong_to_the_gateways_address() -> None:
    assert site() == ("api.example.com", (GATEWAY,))
    assert site(public_url="http://127.0.0.1:8080") == ("localhost", ("http://localhost:8080",))


def test_sites_below_the_domain_and_apps_are_taken() -> None:
    origins = "https://app.example.com,android:apk-key-hash:abc_-1"
    assert site(passkey_domain="example.com", passkey_origins=origins)[1] == tuple(origins.split(","))
    assert site(passkey_domain="localhost", passkey_origins="http://localhost:5173")


@pytest.mark.parametrize(
    "origin",
    ["https://example.org", "https://notexample.com", "http://app.example.com", "http://example.com"],
)
def test_other_sites_and_those_without_tls_stop_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="passkey_origins"):
        site(passkey_domain="example.com", passkey_origins=origin)
