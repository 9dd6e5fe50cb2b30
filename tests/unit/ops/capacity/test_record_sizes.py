"""Sizes of records from `collStats`."""

from datetime import date
from pathlib import Path

from ops.capacity.record_sizes import RecordSize, merge_collection_stats, render_record_sizes
from ops.capacity.table_files import load_records


def test_sizes_are_means_over_all_shards() -> None:
    stats = [
        {"count": 100, "size": 1000, "storageSize": 500, "totalIndexSize": 300},
        {"count": 300, "size": 5000, "storageSize": 1500, "totalIndexSize": 900},
    ]
    assert merge_collection_stats(stats) == RecordSize(400, 15, 5, 3)


def test_an_empty_collection_has_no_size() -> None:
    assert (
        merge_collection_stats([{"count": 0, "size": 0, "storageSize": 4096, "totalIndexSize": 4096}]) is None
    )


def test_what_is_measured_can_be_given_as_the_table_of_records(tmp_path: Path) -> None:
    sizes = {"auth.accounts": RecordSize(4000, 469, 113, 46), "user.companies": RecordSize(50, 1, 2, 3)}
    file = tmp_path / "records.yaml"
    earlier, today = load_records(), date(2027, 1, 31)
    file.write_text(render_record_sizes(sizes, "collStats of a stack", today, earlier))

    table = load_records(file)

    assert table.measured_on == today
    assert table.collections["auth.accounts"].stored_bytes == 113
    assert table.collections["auth.accounts"].basis == "measured"
    assert table.collections["user.companies"].basis == "measured, few records"
    assert set(table.collections) == set(earlier.collections)


def test_collections_without_records_keep_their_earlier_sizes_and_say_so(tmp_path: Path) -> None:
    file, earlier = tmp_path / "records.yaml", load_records()
    for _ in range(2):
        file.write_text(render_record_sizes({}, "nothing", date(2027, 1, 31), earlier))
        earlier = load_records(file)

    sessions = load_records(file).collections["auth.sessions"]
    assert sessions.basis == "built by hand, earlier"
    assert sessions.document_bytes == load_records().collections["auth.sessions"].document_bytes
