import pytest

from chassis.errors import DomainError
from services.auth.domain import normalise


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("ada@xn--bcher-kva.example.com", "ada@bücher.example.com"),
        ("ada@BÜCHER.example.com", "ada@bücher.example.com"),
        ("ada@straße.example.com", "ada@straße.example.com"),
        ("ÉLODIE@example.com", "élodie@example.com"),
        ("e\u0301lodie@example.com", "élodie@example.com"),
        ("ada@campus.test", "ada@campus.test"),
    ],
)
def test_one_mailbox_has_one_spelling(given: str, key: str) -> None:
    assert normalise(given) == key


@pytest.mark.parametrize(
    "given", ["ada", "ada@", "@example.com", "ada@localhost", "a b@example.com", "ada@exa_mple.com"]
)
def test_what_no_mail_can_reach_is_refused_by_field(given: str) -> None:
    with pytest.raises(DomainError) as failure:
        normalise(given)
    assert [violation.field for violation in failure.value.violations] == ["email"]
