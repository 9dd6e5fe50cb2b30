import pytest

from chassis.errors import DomainError
from services.auth.domain.addresses import check_address_reachable, normalise_address, read_address


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
        ("  ada@example.com\t", "ada@example.com"),
        ("\u200bada@example.com\ufeff", "ada@example.com"),
    ],
)
def test_one_mailbox_has_one_spelling(given: str, key: str) -> None:
    assert normalise_address(given) == key


@pytest.mark.parametrize(
    "given", ["ada", "ada@", "@example.com", "ada@localhost", "a b@example.com", "ada@exa_mple.com"]
)
def test_what_no_mail_can_reach_is_refused_by_field(given: str) -> None:
    with pytest.raises(DomainError) as failure:
        normalise_address(given)
    assert [violation.field for violation in failure.value.violations] == ["email"]


def test_an_address_that_only_smtputf8_reaches_is_refused_where_there_is_none() -> None:
    with pytest.raises(DomainError) as failure:
        check_address_reachable(read_address("élodie@example.com"), by_smtputf8=False)
    assert "ASCII" in failure.value.violations[0].description
    check_address_reachable(read_address("élodie@example.com"), by_smtputf8=True)
    check_address_reachable(read_address("elodie@münchen.de"), by_smtputf8=False)
