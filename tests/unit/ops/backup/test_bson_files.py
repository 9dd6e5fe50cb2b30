"""Files of documents, in pieces that a server takes and gives."""

from pathlib import Path

import bson
import pytest

from ops.backup.bson_files import BsonFileWriter, read_batches, read_bson_file
from ops.backup.shard_copy import split_documents
from tests.unit.ops.backup.backups import write_documents

DOCUMENTS = [{"_id": f"usr_{number}", "slot": number, "text": "x" * 100} for number in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / write_documents(tmp_path, "s1/ic_user.profiles", DOCUMENTS).path


def test_documents_come_back_byte_by_byte_and_in_order(path: Path) -> None:
    assert [document.raw for document in read_bson_file(path)] == [bson.encode(each) for each in DOCUMENTS]


def test_batches_end_at_the_number_of_documents(path: Path) -> None:
    sizes = [len(batch) for batch in read_batches(path, max_documents=4, max_bytes=1_000_000)]

    assert sizes == [4, 4, 2]


def test_batches_end_at_the_number_of_bytes(path: Path) -> None:
    length = len(bson.encode(DOCUMENTS[0]))
    sizes = [len(batch) for batch in read_batches(path, max_documents=100, max_bytes=3 * length)]

    assert sizes == [3, 3, 3, 1]


def test_a_file_is_never_overwritten(path: Path) -> None:
    with pytest.raises(FileExistsError):
        BsonFileWriter(path.parent.parent, "s1/ic_user.profiles")


def test_a_batch_of_the_server_is_split_where_documents_begin() -> None:
    encoded = [bson.encode(each) for each in DOCUMENTS]

    assert split_documents(b"".join(encoded)) == encoded
    assert split_documents(b"") == []
