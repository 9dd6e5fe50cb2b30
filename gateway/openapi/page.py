"""The OpenAPI document as a page for people: static HTML, no scripts, nothing loaded from elsewhere."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HTTP_METHODS = ("get", "post", "patch", "put", "delete")


def render_page(document: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI document made by `gateway.openapi.document.build_openapi`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["type_name"] = format_type_name
    environment.filters["rules"] = format_rules
    template = environment.get_template("page.html")
    return template.render(
        document=document,
        sections=list(_sections_by_tag(document)),
        schemas=document["components"]["schemas"],
    )


def _sections_by_tag(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, str], list[dict[str, Any]]]]:
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _HTTP_METHODS
    ]
    for tag in document["tags"]:
        yield tag, [operation for operation in operations if tag["name"] in operation["tags"]]


def format_type_name(schema: Mapping[str, Any]) -> str:
    """Return a schema's type in a word: `string`, `Location`, `Skill[]`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if schema.get("type") == "array":
        return format_type_name(schema["items"]) + "[]"
    return str(schema.get("format") or schema.get("type", "any"))


def format_rules(schema: Mapping[str, Any]) -> str:
    """Return a schema's limits in a few words."""
    inner = schema.get("items", schema)
    limits = {
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minimum": "from {}",
        "maximum": "to {}",
    }
    parts = [text.format(inner[name]) for name, text in limits.items() if name in inner]
    if "enum" in inner:
        parts.append("one of " + ", ".join(inner["enum"]))
    if "x-extensible-enum" in inner:
        parts.append("one of " + ", ".join(inner["x-extensible-enum"]) + "; others may come")
    if "maxItems" in schema:
        parts.append(f"at most {schema['maxItems']} items")
    return "; ".join(parts)
