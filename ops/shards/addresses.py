"""Addresses of shards, as operators type them."""

import re
from typing import Final

from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from ops.cluster import AdminLogin, ClusterShard
from ops.errors import OpsError

SCHEME: Final = "mongodb://"
ADDRESS_HINT: Final = (
    "give it as mongodb://host:port,host:port/?replicaSet=NAME, or as mongodb://host:port of a mongos"
)
_AUTHENTICATION_FAILED: Final = 18
_LOGIN_OPTIONS: Final = frozenset({"authsource", "authmechanism", "authmechanismproperties"})


def normalise_shard_uri(uri: str) -> str:
    """Return the address as `mongodb://hosts/?options`. Raises OpsError, whose message has no password."""
    if not uri.startswith(SCHEME):
        raise OpsError(f"the address of a shard begins with {SCHEME}: {ADDRESS_HINT}")
    if "@" in uri:
        raise OpsError("the address of a shard holds no user and no password: each service has its own")
    try:
        parsed = parse_uri(uri)
    except (PyMongoError, ValueError) as error:
        raise OpsError(f"'{uri}' is no address: {error}; {ADDRESS_HINT}") from error
    if parsed["database"]:
        raise OpsError(f"the address of a shard names no database, as '{uri}' does: {ADDRESS_HINT}")
    login = [option for option in parsed["options"] if option.lower() in _LOGIN_OPTIONS]
    if login:
        raise OpsError(f"the address of a shard does not say how to log in: leave out {', '.join(login)}")
    options = uri.partition("?")[2]
    return f"{SCHEME}{shard_hosts(uri)}/" + (f"?{options}" if options else "")


def shard_hosts(uri: str) -> str:
    """Return the shard's servers: `host:port,host:port`."""
    return uri.removeprefix(SCHEME).partition("/")[0]


def add_login_to_uri(uri: str, user: str, password: str) -> str:
    """Return the address with a user of the database `admin`."""
    options = uri.partition("?")[2]
    return f"{SCHEME}{user}:{password}@{shard_hosts(uri)}/?{options}{'&' if options else ''}authSource=admin"


def admin_uri(shard: ClusterShard, login: AdminLogin) -> str:
    """Return the shard's address with the administrator's user: for operators and tests, never a service."""
    return add_login_to_uri(shard.uri, login.user, login.password)


def describe_unreachable_shard(shard: ClusterShard, error: Exception) -> str:
    """Return a sentence that says that a shard does not answer as it should, and why."""
    where = shard_hosts(shard.uri)
    if isinstance(error, OperationFailure) and error.code == _AUTHENTICATION_FAILED:
        return (
            f"the shard {shard.name} at {where} does not know the user 'admin' "
            f"by this stack's password: make the user there, with the role root and the password in secrets/ "
            "of the stack"
        )
    why = re.split(r", Timeout:| \(configured timeouts", str(error).splitlines()[0])[0][:240]
    return f"the shard {shard.name} at {where} does not answer: {type(error).__name__}: {why}"
