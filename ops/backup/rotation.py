"""Backups that follow each other in one folder, each named by its time; the oldest are deleted."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ops.backup.manifest import MANIFEST_FILE
from ops.errors import OpsError

_NAME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"\d{8}T\d{6}Z")


def name_next_backup(folder: Path, now: datetime) -> Path:
    """Return the folder within `folder` for a backup that begins now."""
    return folder / now.astimezone(UTC).strftime(_NAME_FORMAT)


def delete_old_backups(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest `keep` complete backups in a folder, and those before that ended early.

    Those newer than the newest complete one may be under way and stay, as does all that is not named like a
    backup. Returns the deleted folders, the oldest first.

    Raises:
        OpsError: the folder cannot be read, or a backup cannot be deleted.
    """
    try:
        found = sorted(each for each in folder.iterdir() if _NAME.fullmatch(each.name) and _is_folder(each))
        complete = [each for each in found if (each / MANIFEST_FILE).is_file()]
        kept = complete[-keep:]
        old = [each for each in found if kept and each < kept[-1] and each not in kept]
        for each in old:
            # Without its manifest it is no backup any more, should the rest fail.
            (each / MANIFEST_FILE).unlink(missing_ok=True)
            shutil.rmtree(each)
    except OSError as error:
        raise OpsError(f"old backups in {folder} cannot be deleted: {error}") from error
    return old


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
