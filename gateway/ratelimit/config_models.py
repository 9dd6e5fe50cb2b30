"""The format of the limits' files as models, and their errors in words for the author of a file."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.ratelimit.rules import TimeUnit

MAX_REQUESTS_PER_UNIT: Final = 2**32 - 1
MAX_UNIT_MULTIPLIER: Final = 1_000
_UNITS: Final = {unit.name.lower(): unit for unit in sorted(TimeUnit, key=lambda unit: unit.seconds)}
_LIMITED_TAG, _UNLIMITED_TAG = "<limited>", "<unlimited>"
_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "a truth value",
    dict: "a mapping",
    float: "a fraction",
    int: "a number",
    list: "a list",
    str: "text",
    type(None): "empty",
}


def _parse_unit(found: object) -> TimeUnit:
    unit = _UNITS.get(found.lower()) if isinstance(found, str) else None
    if unit is None:
        raise ValueError("is no unit of time")
    return unit


# The descriptions name the allowed values, in the words of a complaint.
_RequiredText = Annotated[StrictStr, Field(min_length=1, description="text")]
_OptionalText = Annotated[StrictStr | None, Field(description="text")]
_Truth = Annotated[StrictBool, Field(description="true, false")]
_Unit = Annotated[TimeUnit, PlainValidator(_parse_unit), Field(description=", ".join(_UNITS))]
_Multiplier = Annotated[
    StrictInt,
    Field(ge=1, le=MAX_UNIT_MULTIPLIER, description=f"a whole number from 1 to {MAX_UNIT_MULTIPLIER}"),
]
_RequestCount = Annotated[
    StrictInt,
    Field(ge=0, le=MAX_REQUESTS_PER_UNIT, description=f"a whole number from 0 to {MAX_REQUESTS_PER_UNIT}"),
]


class _ConfigModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReplacedLimitConfig(_ConfigModel):
    """The name of a limit that does not apply beside the one that replaces it."""

    name: _RequiredText


class LimitConfig(_ConfigModel):
    """At most `requests_per_unit` requests in `unit_multiplier` units of time."""

    unit: _Unit
    unit_multiplier: _Multiplier = 1
    requests_per_unit: _RequestCount
    unlimited: _Truth = False
    name: _OptionalText = None
    replaces: Annotated[tuple[ReplacedLimitConfig, ...], Field(description="a list")] = ()


class UnlimitedConfig(_ConfigModel):
    """No limit."""

    unlimited: _Truth
    name: _OptionalText = None
    replaces: Annotated[tuple[ReplacedLimitConfig, ...], Field(description="a list")] = ()


def _tag_of_limit(found: Any) -> str:
    is_limited = not isinstance(found, dict) or found.get("unlimited", False) is False
    return _LIMITED_TAG if is_limited else _UNLIMITED_TAG


class DescriptorConfig(_ConfigModel):
    """One descriptor: a key, with or without a value, its limit, and the descriptors below it."""

    key: _RequiredText
    value: _OptionalText = None
    rate_limit: (
        Annotated[
            Annotated[LimitConfig, Tag(_LIMITED_TAG)] | Annotated[UnlimitedConfig, Tag(_UNLIMITED_TAG)],
            Discriminator(_tag_of_limit),
        ]
        | None
    ) = None
    descriptors: Annotated[tuple["DescriptorConfig", ...], Field(description="a list")] = ()
    shadow_mode: _Truth = False
    detailed_metric: _Truth = False

    @field_validator("rate_limit", mode="before")
    @classmethod
    def _is_not_empty(cls, found: object) -> object:
        if found is None:
            raise PydanticCustomError("model_type", "is empty")
        return found


class DomainConfig(_ConfigModel):
    """A whole file: the limits of one domain."""

    domain: _RequiredText
    descriptors: Annotated[tuple[DescriptorConfig, ...], Field(description="a list")] = ()


_MODELS: Final[Mapping[str, type[_ConfigModel]]] = {
    "": DomainConfig,
    "descriptors": DescriptorConfig,
    "rate_limit": LimitConfig,
    "replaces": ReplacedLimitConfig,
}
"""What stands below a name of the format."""


def format_complaint(file: str, path: str, what: str, allowed: str = "") -> str:
    """Return that `what` stands at a place of a file instead of something `allowed`."""
    place = f"{file}: {path}" if path else file
    return f"{place}: {what}" + (f"; allowed: {allowed}" if allowed else "")


def describe_errors(file: str, error: ValidationError) -> Iterator[str]:
    """Yield a complaint for each error in a file, with its place and the allowed values."""
    for details in error.errors(include_url=False):
        yield _describe_error(file, details)


def _describe_error(file: str, details: ErrorDetails) -> str:
    if details["type"] == "recursion_loop":
        return format_complaint(file, "", "is nested without end")
    steps = [step for step in details["loc"] if step not in {_LIMITED_TAG, _UNLIMITED_TAG}]
    if details["type"] in {"extra_forbidden", "invalid_key"}:
        return _describe_unknown_key(file, steps)
    found = details["input"]
    if details["type"] in {"model_type", "model_attributes_type"}:
        keys = ", ".join(_model_at(steps).model_fields)
        return format_complaint(file, _path_of(steps), f"is {_type_name(found)}", f"a mapping with {keys}")
    field = _model_at(steps[:-1]).model_fields[str(steps[-1])]
    allowed = field.description or ""
    if details["type"] == "missing" or (found is None and field.is_required()):
        return format_complaint(file, _path_of(steps), "is missing", allowed)
    if details["type"] == "string_type":
        allowed += "; quote what YAML reads as something else"
    return format_complaint(file, _path_of(steps), _describe_value(details), allowed)


def _describe_unknown_key(file: str, steps: list[int | str]) -> str:
    model, key = _model_at(steps[:-1]), str(steps[-1])
    path = _path_of([*steps[:-1], key])
    if key in model.model_fields:
        return format_complaint(file, path, "stands beside unlimited: true", "one of the two")
    return format_complaint(file, path, "is an unknown key", ", ".join(model.model_fields))


def _describe_value(details: ErrorDetails) -> str:
    if details["type"] == "string_too_short":
        return "is empty"
    if details["type"] in {"value_error", "greater_than_equal", "less_than_equal"}:
        return f"is {details['input']!r}"
    return f"is {_type_name(details['input'])}"


def _model_at(steps: list[int | str]) -> type[_ConfigModel]:
    names = [step for step in steps if isinstance(step, str)]
    return _MODELS[names[-1] if names else ""]


def _path_of(steps: list[int | str]) -> str:
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def _type_name(found: object) -> str:
    return _TYPE_NAMES.get(type(found), f"of the type {type(found).__name__}")
