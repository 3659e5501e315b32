"""A dataset version's files as Arrow tables with the project's column types.

The files are named by their SHA-256 without extension: the bytes say whether one is gzipped or Parquet, the project's
`data.format` tells CSV from JSON Lines. `reading` makes columns of them; here are the rules of the columns.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pyarrow
from pyarrow import compute

from .container import JobError, log
from .contents import is_parquet
from .project import NUMERIC_TYPES, Column, Project
from .reading import ARROW_TYPES, RawColumns, mask, read_csv, read_json_lines, read_parquet

MAXIMUM_EXAMPLES = 5


@dataclass
class BadRows:
    """Rows that break a column rule: how many for which rule, and where the first ones are. Never a value."""

    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, file: str, row: int, reason: str) -> None:
        self.rows += 1
        self.reasons[reason] += 1
        if len(self.examples) < MAXIMUM_EXAMPLES:
            self.examples.append(f"object {file[:12]} row {row + 1}: {reason}")


@dataclass
class Part:
    """Good rows of one file."""

    file: str
    table: pyarrow.Table
    total_rows: int


def read_dataset(folder: Path, project: Project) -> pyarrow.Table:
    """All good rows below a channel folder, in the order of the files' names, with the columns of `project.used`.

    Bad rows within the project's tolerated share are left out, with a count, the rules and the places in the log.
    Raises JobError when there are more, when no row is left, or when a file cannot be read at all.
    """
    bad = BadRows()
    parts = list(read_parts(folder, project, bad))
    total = sum(part.total_rows for part in parts)
    report_bad_rows(bad, total, project)
    table = pyarrow.concat_tables([part.table for part in parts])
    if table.num_rows == 0:
        raise JobError(f"got no usable row in {len(parts)} files of {folder}, expected at least one")
    log(f"read {table.num_rows} rows of {len(parts)} files")
    return table


def read_parts(folder: Path, project: Project, bad: BadRows) -> Iterator[Part]:
    """One file after the other; only one is in memory at a time."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise JobError(f"got no file in {folder}, expected the objects of a dataset version")
    for file in files:
        try:
            yield _read_file(file, project, bad)
        except (pyarrow.ArrowInvalid, gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
            # Arrow's text goes on with the row that it did not understand, and rows do not belong into logs.
            raise JobError(
                f"object {file.name[:12]} cannot be read as {project.format}: {str(error).split(':')[0]}"
            ) from None


def report_bad_rows(bad: BadRows, total: int, project: Project) -> None:
    """Logs what was left out.

    Raises JobError when it is a larger share than the project tolerates.
    """
    if bad.rows == 0:
        return
    rules = ", ".join(f"{reason} ({count})" for reason, count in bad.reasons.most_common(MAXIMUM_EXAMPLES))
    share = bad.rows / total
    if share > project.maximum_bad_row_share:
        raise JobError(
            f"got {bad.rows} bad of {total} rows ({share:.2%}), expected at most {project.maximum_bad_row_share:.2%}; "
            f"first: {'; '.join(bad.examples)}; repair the upload or raise quality.maximumBadRowShare"
        )
    log(f"left out {bad.rows} bad of {total} rows: {rules}; first: {'; '.join(bad.examples)}")


def _read_file(file: Path, project: Project, bad: BadRows) -> Part:
    found_parquet = is_parquet(file)
    if project.format == "parquet" and not found_parquet:
        raise JobError(f"object {file.name[:12]} is no Parquet file, expected data.format '{project.format}'")
    read = read_parquet if found_parquet else read_csv if project.format == "csv" else read_json_lines
    raw, broken = read(file, project)
    return _apply_rules(file.name, raw, broken, project, bad)


def _apply_rules(file: str, raw: RawColumns, broken: dict[int, str], project: Project, bad: BadRows) -> Part:
    """Checks type, missing values, limits and allowed values; `broken` are lines that are no rows at all."""
    reasons: dict[int, str] = dict(broken)
    present: list[pyarrow.Array] = []
    positions = numpy.setdiff1d(numpy.arange(raw.rows + len(broken)), list(broken)) if broken else None
    good = numpy.ones(raw.rows, dtype=bool)

    def refuse(rows: numpy.ndarray, reason: str) -> None:
        for row in numpy.flatnonzero(rows & good):
            reasons[int(row if positions is None else positions[row])] = reason
        good[rows] = False

    for column in project.used:
        values = raw.columns[column.name]
        if values is None:
            if not column.nullable:
                raise JobError(f"object {file[:12]} has no column '{column.name}', which is not nullable")
            values = pyarrow.nulls(raw.rows, ARROW_TYPES[column.type])
        present.append(values)
        for rows, rule in _violations(column, values, raw.wrong_type.get(column.name)):
            if rows.any():
                refuse(rows, f"column '{column.name}': {rule}")
    for row in sorted(reasons):
        bad.add(file, row, reasons[row])
    table = pyarrow.table(present, names=[column.name for column in project.used])
    if not good.all():
        table = table.filter(pyarrow.array(good))
    return Part(file, table, raw.rows + len(broken))


def _violations(
    column: Column, values: pyarrow.Array, wrong_type: numpy.ndarray | None
) -> Iterator[tuple[numpy.ndarray, str]]:
    """Rows that break a rule, with the rule in words."""
    missing = mask(values.is_null())
    if wrong_type is not None:
        yield wrong_type, f"wrong type, expected {column.type}"
        missing = missing & ~wrong_type
    if not column.nullable and values.null_count:
        yield missing, "missing, but not nullable"
    if column.type in NUMERIC_TYPES:
        numbers = values.to_numpy(zero_copy_only=False)
        with numpy.errstate(invalid="ignore"):
            yield ~numpy.isfinite(numbers) & ~mask(values.is_null()), f"wrong type, expected {column.type}"
            if column.type == "integer":
                yield (
                    numpy.floor(numbers) != numbers
                    if not values.null_count
                    else ((numpy.floor(numbers) != numbers) & ~numpy.isnan(numbers)),
                    "wrong type, expected integer",
                )
            if column.minimum is not None:
                yield numbers < column.minimum, f"below the minimum {column.minimum:g}"
            if column.maximum is not None:
                yield numbers > column.maximum, f"above the maximum {column.maximum:g}"
    if column.values is not None and column.type == "category":
        allowed = compute.is_in(values, value_set=pyarrow.array(column.values, pyarrow.string()))
        yield ~mask(allowed) & ~mask(values.is_null()), "not one of the allowed values"
