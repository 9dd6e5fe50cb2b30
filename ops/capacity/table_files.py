"""Reads the tables: the committed ones, or files that the operator names."""

import json
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ops.capacity.measured import FiguresError, MeasuredFigures, further_figures
from ops.capacity.tables import PriceTable, RecordTable, WorkloadTable
from ops.errors import OpsError

FOLDER: Final = Path(__file__).parent / "tables"
MEASURED_FILE: Final = FOLDER / "measured.json"
WORKLOAD_FILE: Final = FOLDER / "workload.yaml"
RECORDS_FILE: Final = FOLDER / "records.yaml"
PRICES_FILE: Final = FOLDER / "prices.yaml"

T = TypeVar("T", bound=BaseModel)


def load_workload(path: Path | None = None) -> WorkloadTable:
    """Return the assumptions. Raises OpsError when the file is invalid."""
    return _load_table("--workload", path or WORKLOAD_FILE, WorkloadTable)


def load_records(path: Path | None = None) -> RecordTable:
    """Return the sizes of records. Raises OpsError when the file is invalid."""
    return _load_table("--records", path or RECORDS_FILE, RecordTable)


def load_prices(path: Path | None = None) -> PriceTable:
    """Return the prices. Raises OpsError when the file is invalid."""
    return _load_table("--prices", path or PRICES_FILE, PriceTable)


def load_figures(workload: WorkloadTable, path: Path | None = None) -> MeasuredFigures:
    """Return the measured figures; rows that the operator's file lacks are those of the committed one.

    Raises:
        OpsError: the file cannot be read, or is no report of the benchmark.
    """
    committed = _load_report(MEASURED_FILE)
    found = (
        committed if path is None else _load_report(path).with_fallback(committed, "committed figures for")
    )
    return MeasuredFigures({**further_figures(workload.figures), **found.rows}, found.origin)


def _load_report(path: Path) -> MeasuredFigures:
    try:
        return MeasuredFigures.from_bench_report(json.loads(_read("--measured", path)), path.name)
    except json.JSONDecodeError as error:
        raise OpsError(f"--measured: {path} is no JSON ({error}); write it by `ic bench --json`") from None
    except FiguresError as error:
        raise OpsError(f"--measured: {path}: {error}") from None


def _load_table(option: str, path: Path, kind: type[T]) -> T:
    text = _read(option, path)
    try:
        content: Any = yaml.safe_load(text)
        return kind.model_validate(content)
    except yaml.YAMLError as error:
        raise OpsError(f"{option}: {path} is no YAML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in error.errors()
        )
        raise OpsError(f"{option}: {path} is no such table: {faults}") from None


def _read(option: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"{option}: {path} cannot be read: {error}") from None
