"""Backups in one folder: the newest stay, and nothing that is no old backup is deleted."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops.backup.manifest import MANIFEST_FILE
from ops.backup.rotation import delete_old_backups, name_next_backup
from ops.errors import OpsError

FIRST = datetime(2030, 1, 31, 23, 59, 58, tzinfo=UTC)


def _backups(folder: Path, pattern: str) -> list[Path]:
    """Make a backup for each letter, an hour apart: c is complete, e ended early."""
    made = [name_next_backup(folder, FIRST + timedelta(hours=hour)) for hour in range(len(pattern))]
    for path, kind in zip(made, pattern, strict=True):
        (path / "s1").mkdir(parents=True)
        (path / "s1" / "users.bson").touch()
        if kind == "c":
            (path / MANIFEST_FILE).touch()
    return made


@pytest.mark.parametrize(
    ("pattern", "keep", "deleted"),
    [
        ("ccc", 3, ""),
        ("cccc", 2, "01"),
        ("ecec", 1, "012"),
        ("cecee", 2, "1"),
        ("ccce", 2, "0"),
        ("ee", 1, ""),
        ("c", 1, ""),
    ],
)
def test_all_but_the_newest_complete_ones_are_deleted(
    tmp_path: Path, pattern: str, keep: int, deleted: str
) -> None:
    made = _backups(tmp_path, pattern)
    expected = [made[int(number)] for number in deleted]
    assert delete_old_backups(tmp_path, keep) == expected
    assert sorted(tmp_path.iterdir()) == [each for each in made if each not in expected]


def test_nothing_else_is_deleted(tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("notes", "20300131", "20300131T000000Z.tar", "lost+found")]
    for each in others:
        each.mkdir()
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (tmp_path / "20000101T000000Z").symlink_to(elsewhere)
    made = _backups(tmp_path, "cc")
    assert delete_old_backups(tmp_path, 1) == made[:1]
    assert all(each.exists() for each in (*others, elsewhere, tmp_path / "20000101T000000Z"))


def test_a_backup_is_named_by_its_time_in_utc(tmp_path: Path) -> None:
    local = FIRST.astimezone(timezone(timedelta(hours=9)))
    assert name_next_backup(tmp_path, local).name == "20300131T235958Z"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"old backups in .*nowhere cannot be deleted"):
        delete_old_backups(tmp_path / "nowhere", 1)
