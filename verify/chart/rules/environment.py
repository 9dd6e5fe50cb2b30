"""Each Python process gets every setting that it requires, none that it does not know, and none in vain."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import PydanticUndefined

from chassis.settings import ProcessSettings
from verify.chart.manifests import ChartRelease, PodTemplate

PREFIX: Final = "IC_"
SETTINGS_CLASSES: Final = {
    "gateway.control_plane": "ControlPlaneSettings",
    "gateway.ratelimit": "RateLimitSettings",
}
"""The settings class of a module that is no service; a service's is named after it."""


def settings_class(module: str) -> type[ProcessSettings]:
    """Return the settings of the process `python -m <module>`."""
    name = SETTINGS_CLASSES.get(module) or f"{module.rpartition('.')[2].capitalize()}Settings"
    found: type[ProcessSettings] = getattr(importlib.import_module(f"{module}.settings"), name)
    return found


def find_wrong_settings(release: ChartRelease) -> Iterator[str]:
    """Find settings that a process requires and lacks, does not know, or gets with their default."""
    for template in release.pod_templates():
        for container in template.containers:
            command = container.get("command", [])
            if command[:2] == ["python", "-m"]:
                yield from _check_variables(template, container, settings_class(command[2]))


def _check_variables(
    template: PodTemplate, container: Mapping[str, Any], cls: type[ProcessSettings]
) -> Iterator[str]:
    variables = {each["name"]: each.get("value") for each in container.get("env", ())}
    fields = {f"{PREFIX}{name.upper()}": field for name, field in cls.model_fields.items()}
    for name, field in fields.items():
        if field.is_required() and name not in variables:
            yield f"{template}: requires the setting {name}"
    for name, value in variables.items():
        if name not in fields:
            yield f"{template}: has no setting {name}"
        elif value is not None and _is_default(value, fields[name].default):
            yield f"{template}: sets {name} to its default, {value}"


def _is_default(value: str, default: Any) -> bool:
    if default is PydanticUndefined or default is None:
        return False
    return value == (str(default).lower() if isinstance(default, bool) else str(default))
