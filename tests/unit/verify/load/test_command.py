"""`ic load` refuses wrong values with one sentence."""

import pytest
import yaml

from ops import cli


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a refused command says."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["load", *arguments])
    assert ended.value.code not in (0, None)
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--profile", "huge"), "there is no profile 'huge'"),
        (("--profile", "seed"), "--profile seed is for many pods: add --render"),
        (("--target", "http://api.example.com"), "is not this machine"),
        (("--target", "nonsense"), "--target takes a URL such as"),
        (("--render", "--profile", "seed"), "--render needs --target"),
        (("--render", "--target", "http://gateway"), "the profile 'smoke' is not for pods"),
        (("--report", "/no/such/folder/load.html"), "--report: /no/such/folder/load.html cannot be written"),
        (("--stack", "no-such-stack"), "there is no stack 'no-such-stack'"),
        (("--tool", "wrk"), "wrk"),
        (("--seconds", "1"), "--seconds"),
        (("--p99-ms", "0"), "--p99-ms"),
        (("--max-error-percent", "101"), "--max-error-percent"),
    ],
)
def test_a_wrong_value_is_refused(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in run(*arguments, capsys=capsys)


def test_the_manifests_are_printed_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(
            ["load", "--profile", "seed", "--render", "--target", "http://gateway:8080", "--pods", "3000"]
        )
    assert ended.value.code in (0, None)
    kinds = [each["kind"] for each in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["ConfigMap", "Job"]
