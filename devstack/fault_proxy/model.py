"""The file of faults: by store, the effect on its connections, and its end."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from chassis.settings import MisconfiguredError

StoreFaultKind = Literal["delay", "hang", "down"]


class StoreFault(BaseModel):
    """A fault of a store's connections.

    `delay`: each answer comes `delay_s` later, give or take `jitter_s`, and in order. `hang`: no data passes;
    it is delivered when the fault ends. `down`: connections are reset, and so are new ones. `percent` is the
    share of affected connections; the fault ends by itself at `until`, in Unix seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: StoreFaultKind
    delay_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    jitter_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    percent: Annotated[float, Field(gt=0, le=100)] = 100.0
    until: float | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.kind == "delay") != (self.delay_s > 0):
            raise ValueError("`delay_s` belongs to a delay, and a delay has it")
        if self.jitter_s > self.delay_s:
            raise ValueError("`jitter_s` is at most the delay")
        return self

    def is_expired(self, now: float) -> bool:
        """Return whether it has ended by itself; `now` in Unix seconds."""
        return self.until is not None and self.until <= now


StoreFaults = Mapping[str, StoreFault]
"""By the name of the store's process."""

_FAULTS_FILE = TypeAdapter(dict[str, StoreFault])


def parse_store_faults(content: bytes) -> StoreFaults:
    """Parse the file's content. Raises MisconfiguredError with all errors in it."""
    try:
        return _FAULTS_FILE.validate_json(content)
    except ValidationError as error:
        raise MisconfiguredError(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)
        ) from None


def render_store_faults(faults: StoreFaults) -> bytes:
    """Return the file's content."""
    return _FAULTS_FILE.dump_json(dict(faults), indent=2, exclude_defaults=True) + b"\n"
