"""The files about the API that the gateway serves."""

import json
from pathlib import Path

from gateway.openapi.document import build_openapi
from gateway.openapi.page import render_page


def write_api_pages(descriptors: Path, folder: Path) -> None:
    """Write `openapi.json`, `openapi-all.json` and `docs.html` into a folder that exists."""
    document = build_openapi(descriptors)
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "openapi-all.json").write_text(json.dumps(build_openapi(descriptors, with_older=True)))
    (folder / "docs.html").write_text(render_page(document))
