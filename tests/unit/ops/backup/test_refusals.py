"""What a backup and a restore refuse before they change anything."""

from pathlib import Path

import pytest

from ops.backup.create import create_backup
from ops.backup.namespaces import backed_up_namespaces
from ops.backup.restore import require_counts, restore_backup
from ops.cli import main
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.service_names import SERVICES
from tests.unit.ops.backup.backups import PROFILES, write_backup

HOUR_S = 3600.0


def test_a_backup_goes_into_a_folder_of_its_own(local: Cluster, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(OpsError, match="is not empty: a backup needs a folder of its own"):
        create_backup(local, tmp_path, HOUR_S, "1.0.0", StepProgress())

    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(local: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OpsError, match=r"the folder .*file/backup cannot be used: Not a directory"):
        create_backup(local, tmp_path / "file" / "backup", HOUR_S, "1.0.0", StepProgress())


def test_collections_that_this_version_does_not_know_are_refused(local: Cluster, tmp_path: Path) -> None:
    shard = write_backup(tmp_path / "one").shards["s1"]
    file = shard.collections[PROFILES]
    later = type(shard)(shard.server_version, {"ic_user.badges": file}, shard.changes, shard.events, {})
    manifest = write_backup(tmp_path / "two", shards={"s1": later}, version="9.0.0")

    with pytest.raises(OpsError, match=r"declares ic_user\.badges: restore with the version 9\.0\.0"):
        restore_backup(local, tmp_path / "two", manifest, StepProgress())


@pytest.mark.parametrize(("found", "is_right"), [(0, False), (1, True), (2, False)])
def test_another_number_of_documents_is_an_error(tmp_path: Path, found: int, is_right: bool) -> None:
    manifest = write_backup(tmp_path / "backup")

    if is_right:
        require_counts(manifest, {PROFILES: found})
    else:
        with pytest.raises(OpsError, match=rf"ic_user\.profiles: {found} documents instead of 1"):
            require_counts(manifest, {PROFILES: found})


def test_what_belongs_to_the_relays_of_one_server_is_no_part_of_a_backup() -> None:
    names = {str(each) for each in backed_up_namespaces(SERVICES)}

    assert {PROFILES, "ic_application.outbox", "ic_application.inbox", "ic_auth.signing_keys"} <= names
    assert not {name for name in names if name.endswith((".leases", ".relay_positions"))}


def test_a_span_that_is_none_names_the_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["backup", str(tmp_path / "backup"), "--events", "soon"])

    assert left.value.code == 1
    assert "--events takes a duration such as 90s, 30m, 24h or 7d, not 'soon'" in capsys.readouterr().out
