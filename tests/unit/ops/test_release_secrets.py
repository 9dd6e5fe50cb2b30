"""The Secrets that `ic secrets` prints are those that the chart reads."""

import json

import pytest
import yaml

from ops.cli import main
from ops.release_secrets import make_release_secrets
from ops.service_names import SERVICES
from tests.unit.helm.renders import rendered
from verify.chart.rendering import CHART
from verify.chart.rules.references import references_of

Screen = pytest.CaptureFixture[str]


def test_a_trial_finds_every_key_that_its_pods_read(capsys: Screen) -> None:
    with pytest.raises(SystemExit) as left:
        main(["secrets", "ic-trial", "--trial"])
    assert not left.value.code
    secrets = {
        each["metadata"]["name"]: each["stringData"] for each in yaml.safe_load_all(capsys.readouterr().out)
    }
    for template in rendered("trial").pod_templates():
        for kind, name, keys in references_of(template):
            if kind == "Secret":
                assert keys <= secrets[name].keys()


def test_a_secret_has_the_keys_of_the_charts_table_and_no_other() -> None:
    table = yaml.safe_load((CHART / "files" / "secrets.yaml").read_text())
    made = {
        each["metadata"]["name"]: each["stringData"] for each in make_release_secrets("shop", "amqps://b")
    }

    assert set(made) == {f"shop-{name}" for name in (*SERVICES, "rate-limiter", "provision", "operator")}
    for service in SERVICES:
        # Other data keys are there only while one is replaced.
        assert made[f"shop-{service}"].keys() == table["services"].keys() - {"other-data-keys"}
    for name in ("rate-limiter", "provision"):
        assert made[f"shop-{name}"].keys() == table[name].keys()


def test_services_share_what_they_have_to_and_nothing_else() -> None:
    made = {
        each["metadata"]["name"]: each["stringData"] for each in make_release_secrets("shop", "amqps://b")
    }
    own = [made[f"shop-{service}"] for service in SERVICES]

    for key in ("redis-password", "amqp-url", "service-jwks.json"):
        assert len({each[key] for each in own}) == 1
    for key in ("mongo-password", "data-key", "page-token-key", "service-key.pem"):
        assert len({each[key] for each in own}) == len(SERVICES)
    kids = {key["kid"] for key in json.loads(own[0]["service-jwks.json"])["keys"]}
    assert kids == {f"svc-{name}" for name in (*SERVICES, "ops")}


def test_the_broker_is_named_or_bundled(capsys: Screen) -> None:
    for arguments in (["shop"], ["shop", "--trial", "--amqp-url", "amqps://b"]):
        with pytest.raises(SystemExit) as left:
            main(["secrets", *arguments])
        assert left.value.code == 1
        assert "either --amqp-url URL, or --trial" in capsys.readouterr().out
