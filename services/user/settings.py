"""The environment's settings of the user service."""

from typing import Final

from pydantic import Field

from chassis.blobs import BlobSettings

_SERVER: Final = r"\s*(\[[0-9a-fA-F:]+\]|[0-9.]+)(:[0-9]{1,5})?\s*"


class UserSettings(BlobSettings):
    """Settings of the user service, each from the variable `IC_<NAME>`."""

    company_cache_s: float = Field(
        default=60.0, gt=0, le=3600, description="how long a company's page is kept in the cache, in seconds"
    )
    clamd: str = Field(
        default="",
        pattern=r"^([^\s:/]+:\d{1,5}|unix:/\S+)?$",
        description="ClamAV's daemon, host:port or unix:/path; empty: documents are checked by rules alone",
    )
    dns_servers: str = Field(
        default="",
        pattern=rf"^({_SERVER}(,{_SERVER})*)?$",
        description="DNS servers that are asked for the records of companies' domains, `address` or"
        " `address:port`, separated by commas; empty: those of the machine",
    )
