"""The files of a certificate in a folder, by the names that cert-manager gives them."""

from pathlib import Path
from typing import Final

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
AUTHORITY_FILE: Final = "ca.crt"


def stamp_files(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return what changes when the TLS files of a folder do: Kubernetes replaces them all through a link."""
    found = []
    for name in (CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE):
        try:
            status = (folder / name).stat()
        except OSError:
            found.append((0, 0))
        else:
            found.append((status.st_ino, status.st_mtime_ns))
    return tuple(found)
