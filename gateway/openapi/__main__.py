"""`python -m gateway.openapi DESCRIPTORS FOLDER`: write the pages about the API, for the gateway to serve."""

import sys
from pathlib import Path

from gateway.openapi.files import write_api_pages

if __name__ == "__main__":
    write_api_pages(Path(sys.argv[1]), Path(sys.argv[2]))
