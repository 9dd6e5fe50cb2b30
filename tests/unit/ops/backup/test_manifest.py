"""A backup that is not whole is refused by name, before anything is restored."""

import stat
from pathlib import Path

import pytest

from ops.backup.manifest import MANIFEST_FILE, load_manifest
from ops.backup.restore import read_backup
from ops.cli import main
from ops.errors import OpsError
from tests.unit.ops.backup.backups import PROFILES, write_backup

PROFILES_FILE = f"s1/{PROFILES}.bson.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_backup(tmp_path / "backup")
    return tmp_path / "backup"


def test_a_whole_backup_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = write_backup(tmp_path / "backup")

    assert read_backup(tmp_path / "backup") == written


def test_only_its_owner_can_read_a_backup(folder: Path) -> None:
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("name", [PROFILES_FILE, "s1/changes.bson.gz", "s1/events.bson.gz"])
def test_a_changed_bit_is_found_in_the_file_where_it_is(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(OpsError, match=f"{name} is damaged: its content does not match"):
        read_backup(folder)


def test_all_missing_and_short_files_are_named_at_once(folder: Path) -> None:
    (folder / "s1/changes.bson.gz").unlink()
    content = (folder / PROFILES_FILE).read_bytes()
    (folder / PROFILES_FILE).write_bytes(content[:-1])

    with pytest.raises(OpsError) as refused:
        read_backup(folder)

    assert f"{PROFILES_FILE} is damaged: it has {len(content) - 1} bytes instead of" in str(refused.value)
    assert "s1/changes.bson.gz is missing" in str(refused.value)


def test_a_backup_that_was_broken_off_has_no_manifest_and_is_refused(folder: Path) -> None:
    (folder / MANIFEST_FILE).unlink()

    with pytest.raises(
        OpsError, match=r"no complete backup: manifest\.json, which is written last, is missing"
    ):
        read_backup(folder)


def test_an_edited_manifest_is_refused(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(path.read_text().replace('"cluster":"production"', '"cluster":"staging"'))

    with pytest.raises(OpsError, match=r"manifest\.json is damaged: its content does not match its sha256"):
        load_manifest(folder)


def test_a_manifest_that_was_cut_off_is_refused(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(OpsError, match=r"manifest\.json is damaged"):
        load_manifest(folder)


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    write_backup(tmp_path / "later", format=2)

    with pytest.raises(OpsError, match="has the format 2, and this version reads 1 only"):
        load_manifest(tmp_path / "later")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"there is no folder .*nowhere"):
        load_manifest(tmp_path / "nowhere")


def test_verify_needs_no_cluster(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["backup", "verify", str(folder)])

    assert not left.value.code
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "is a complete backup of 'production' as it was at 2027-03-02T09:00:00Z: 1 shards, 1 documents"
        in shown
    )


def test_verify_ends_with_an_error_for_a_damaged_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / PROFILES_FILE).unlink()

    with pytest.raises(SystemExit) as left:
        main(["backup", "verify", str(folder)])

    assert left.value.code == 1
    assert f"{PROFILES_FILE} is missing" in capsys.readouterr().out


def test_numbers_count_only_where_every_shard_has_counted(tmp_path: Path) -> None:
    one = write_backup(tmp_path / "one").shards["s1"]
    both = write_backup(
        tmp_path / "both",
        shards={"s1": one, "s2": type(one)(one.server_version, {}, one.changes, one.events, {})},
    )

    assert both.count_documents().total() == 0
