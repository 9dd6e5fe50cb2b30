"""The configurations of ghz, which our own gRPC load reads as well: one file for each class of calls.

`${TOKEN}`, `${OPEN_LISTING}`, `${TITLE}` and `${NEW_LISTING}` stand for what a run finds or makes; a call
with `${NEW_LISTING}` is made once for each pair of a listing and a token. `{{...}}` are templates of ghz,
filled in for each call.
"""

import json
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.errors import OpsError
from verify.load.profiles import LOAD_TESTS

GHZ_FOLDER: Final = LOAD_TESTS / "ghz"
TOKEN: Final = "TOKEN"  # noqa: S105 - a placeholder
OPEN_LISTING: Final = "OPEN_LISTING"
TITLE: Final = "TITLE"
NEW_LISTING: Final = "NEW_LISTING"
PLACEHOLDERS: Final = (OPEN_LISTING, TITLE, NEW_LISTING, TOKEN)
MAX_PLACEHOLDERS: Final = 2
_PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")
_TEMPLATE: Final = re.compile(r"\{\{\s*(?P<name>\w+)(?P<arguments>(?:\s+\d+)*)\s*\}\}")
_ANY_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")
_LETTERS: Final = string.ascii_letters + string.digits

PlaceholderValues = Mapping[str, Sequence[str]]


class GhzConfig(BaseModel):
    """One file, by ghz's own names; `rps` is that of the profile `smoke`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    call: Annotated[str, Field(pattern=r"^[\w.]+/\w+$")]
    protoset: str
    host: str
    insecure: bool
    concurrency: Annotated[int, Field(gt=0, le=1000)]
    rps: Annotated[int, Field(gt=0)]
    duration: str
    timeout: Annotated[str, Field(pattern=r"^\d+s$")]
    metadata: dict[str, str] = {}
    data: dict[str, Any] = {}

    @property
    def method(self) -> str:
        """The path of the method, as gRPC calls it."""
        return f"/{self.call}"

    @property
    def timeout_s(self) -> float:
        """The deadline of a call."""
        return float(self.timeout.removesuffix("s"))

    @property
    def placeholders(self) -> list[str]:
        """The names that a run has to give values for."""
        used = set(_PLACEHOLDER.findall(json.dumps([self.metadata, self.data])))
        return [name for name in PLACEHOLDERS if name in used]

    @property
    def is_once(self) -> bool:
        """Whether each call can be made only once."""
        return NEW_LISTING in self.placeholders


@dataclass(frozen=True)
class GhzCall:
    """A call whose placeholders are filled in, but not its templates."""

    data: dict[str, Any]
    metadata: dict[str, str]


def read_ghz_configs(folder: Path = GHZ_FOLDER) -> list[GhzConfig]:
    """Return all configurations. Raises OpsError, which names file and field, when one is wrong."""
    return [_read_config(path) for path in sorted(folder.glob("*.json"))]


def _read_config(path: Path) -> GhzConfig:
    try:
        config = GhzConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise OpsError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    text = json.dumps([config.metadata, config.data])
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        raise OpsError(f"{path.name}: nothing is known for ${{{unknown[0]}}}; there are: {PLACEHOLDERS}")
    if len(config.placeholders) > MAX_PLACEHOLDERS:
        raise OpsError(f"{path.name}: at most {MAX_PLACEHOLDERS} different placeholders can be combined")
    for template in _ANY_TEMPLATE.findall(text):
        match = _TEMPLATE.fullmatch(template)
        if match is None or match["name"] not in _TEMPLATE_FUNCTIONS:
            known = ", ".join(_TEMPLATE_FUNCTIONS)
            raise OpsError(f"{path.name}: the template {template} is none of: {known}")
    return config


def expand_calls(config: GhzConfig, values: PlaceholderValues) -> Iterator[GhzCall]:
    """Yield a call for each value of the placeholder, or for each pair of two, which neighbours do not share.

    Raises OpsError when there are no values for one.
    """
    names = config.placeholders
    lacking = [name for name in names if not values.get(name)]
    if lacking:
        raise OpsError(f"{config.name}: the stack has nothing for ${{{lacking[0]}}}")
    for chosen in _pair_up([values[name] for name in names]):
        found = dict(zip(names, chosen, strict=True))
        yield GhzCall(_fill(config.data, found), _fill(config.metadata, found))


def _pair_up(lists: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield one value of each list, in all combinations of at most two lists."""
    match lists:
        case [firsts, lasts]:
            for offset in range(len(firsts)):
                for number, last in enumerate(lasts):
                    yield firsts[(number + offset) % len(firsts)], last
        case [alone]:
            yield from ((each,) for each in alone)
        case _:
            yield ()


def _fill(part: Any, found: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _fill(each, found) for name, each in part.items()}
    if isinstance(part, list):
        return [_fill(each, found) for each in part]
    return _PLACEHOLDER.sub(lambda match: found[match[1]], part) if isinstance(part, str) else part


def fill_templates(part: Any) -> Any:
    """Return a part of a call with new values for its templates, as ghz makes them for each call."""
    if isinstance(part, dict):
        return {name: fill_templates(each) for name, each in part.items()}
    if isinstance(part, list):
        return [fill_templates(each) for each in part]
    return _TEMPLATE.sub(_call_template, part) if isinstance(part, str) else part


def _call_template(match: re.Match[str]) -> str:
    return _TEMPLATE_FUNCTIONS[match["name"]](*map(int, match["arguments"].split()))


def _random_string(length: int) -> str:
    return "".join(random.choices(_LETTERS, k=length))  # noqa: S311 - text of a made-up letter


_TEMPLATE_FUNCTIONS: Final[dict[str, Callable[..., str]]] = {
    "newUUID": lambda: str(uuid.uuid4()),
    "randomInt": lambda least, end: str(random.randrange(least, end)),  # noqa: S311
    "randomString": _random_string,
}
