"""A dataset version's files as Arrow tables with the project's column types.

The files are named by their SHA-256 without extension: the bytes say whether one is gzipped or Parquet, the project's
`data.format` tells CSV from JSON Lines. Arrow's own typed readers do the work; only a file in which they meet a value
they refuse is read once more value by value, to find out which rows are bad and why.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pyarrow
from pyarrow import compute, csv

from .container import JobError, log
from .project import NUMERIC_TYPES, Column, Project
from .values import FALSE_TEXTS, TRUE_TEXTS, BadValue, Value, from_json, from_text

ARROW_TYPES = {
    "number": pyarrow.float64(),
    "integer": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "category": pyarrow.string(),
    "text": pyarrow.string(),
    "timestamp": pyarrow.int64(),  # microseconds since 1970 in UTC
}
MAXIMUM_EXAMPLES = 5
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_NULL_LINE = re.compile(rb"^[ \t\r]*null[ \t\r]*$", re.MULTILINE)


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
        except (pyarrow.ArrowInvalid, gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
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
    with file.open("rb") as stream:
        magic = stream.read(4)
    if magic == _PARQUET:
        raw, broken = _read_parquet(file, project), {}
    elif project.format == "parquet":
        raise JobError(f"object {file.name[:12]} is no Parquet file, expected data.format '{project.format}'")
    else:
        content = gzip.decompress(file.read_bytes()) if magic[:2] == _GZIP else file.read_bytes()
        reader = _read_csv if project.format == "csv" else _read_json_lines
        raw, broken = reader(content, project)
    return _apply_rules(file.name, raw, broken, project, bad)


@dataclass
class _Raw:
    """Columns of canonical type (None: the file has no such column) and, per column, the rows whose value has a wrong type."""

    rows: int
    columns: dict[str, pyarrow.Array | None]
    wrong_type: dict[str, numpy.ndarray]


def _apply_rules(file: str, raw: _Raw, broken: dict[int, str], project: Project, bad: BadRows) -> Part:
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
    missing = _mask(values.is_null())
    if wrong_type is not None:
        yield wrong_type, f"wrong type, expected {column.type}"
        missing = missing & ~wrong_type
    if not column.nullable and values.null_count:
        yield missing, "missing, but not nullable"
    if column.type in NUMERIC_TYPES:
        numbers = values.to_numpy(zero_copy_only=False)
        with numpy.errstate(invalid="ignore"):
            yield ~numpy.isfinite(numbers) & ~_mask(values.is_null()), f"wrong type, expected {column.type}"
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
        yield ~_mask(allowed) & ~_mask(values.is_null()), "not one of the allowed values"


def _read_csv(content: bytes, project: Project) -> tuple[_Raw, dict[int, str]]:
    """Rows with the wrong number of fields are returned by number, counted without the header."""
    skip = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    header = csv.open_csv(pyarrow.BufferReader(content), parse_options=skip).schema.names
    wanted = [column for column in project.used if column.name in header]
    types = {column.name: _csv_type(column) for column in wanted}
    found = False

    def note(_row: csv.InvalidRow) -> str:
        nonlocal found
        found = True
        return "skip"

    try:
        table = _parse_csv(content, types, note, threads=True)
        broken: dict[int, str] = {}
        if found:
            table, broken = _csv_with_row_numbers(content, types)
        return _typed(table, wanted, project), broken
    except pyarrow.ArrowInvalid:
        table, broken = _csv_with_row_numbers(content, dict.fromkeys(types, pyarrow.string()))
        return _typed(table, wanted, project), broken


def _csv_with_row_numbers(content: bytes, types: dict[str, pyarrow.DataType]) -> tuple[pyarrow.Table, dict[int, str]]:
    """Arrow numbers the rows only when it reads with one thread, so this pass is made only when there are broken ones."""
    broken: dict[int, str] = {}

    def note(row: csv.InvalidRow) -> str:
        # Arrow counts from 1 and counts the header.
        broken[row.number - 2] = f"{row.actual_columns} fields, expected {row.expected_columns}"
        return "skip"

    return _parse_csv(content, types, note, threads=False), broken


def _parse_csv(content: bytes, types: dict[str, pyarrow.DataType], on_invalid, threads: bool) -> pyarrow.Table:
    return csv.read_csv(
        pyarrow.BufferReader(content),
        read_options=csv.ReadOptions(use_threads=threads),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_invalid),
        convert_options=csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            strings_can_be_null=True,
            true_values=list(TRUE_TEXTS),
            false_values=list(FALSE_TEXTS),
        ),
    )


def _csv_type(column: Column) -> pyarrow.DataType:
    return pyarrow.string() if column.type == "timestamp" else ARROW_TYPES[column.type]


def _read_json_lines(content: bytes, project: Project) -> tuple[_Raw, dict[int, str]]:
    from pyarrow import json as arrow_json

    if _NULL_LINE.search(content):  # Arrow takes it for a row, and a file of nothing else ends the process
        return _json_lines_by_value(content, project)
    schema = pyarrow.schema([(column.name, _csv_type(column)) for column in project.used])
    options = arrow_json.ParseOptions(
        explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior="ignore"
    )
    try:
        table = arrow_json.read_json(pyarrow.BufferReader(content), parse_options=options)
    except pyarrow.ArrowInvalid:
        return _json_lines_by_value(content, project)
    wanted = [column for column in project.used if column.name in table.column_names]
    return _typed(table, wanted, project), {}


def _json_lines_by_value(content: bytes, project: Project) -> tuple[_Raw, dict[int, str]]:
    broken: dict[int, str] = {}
    rows: list[dict] = []
    for number, line in enumerate(text for text in content.split(b"\n") if text.strip()):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            broken[number] = "no JSON object"
    columns: dict[str, pyarrow.Array | None] = {}
    wrong_type: dict[str, numpy.ndarray] = {}
    for column in project.used:
        columns[column.name], wrong_type[column.name] = _by_value(column, [row.get(column.name) for row in rows], True)
    return _Raw(len(rows), columns, wrong_type), broken


def _read_parquet(file: Path, project: Project) -> _Raw:
    from pyarrow import parquet

    names = parquet.read_schema(file).names
    wanted = [column for column in project.used if column.name in names]
    return _typed(parquet.read_table(file, columns=[column.name for column in wanted]), wanted, project)


def _typed(table: pyarrow.Table, wanted: list[Column], project: Project) -> _Raw:
    """Casts to the types of ARROW_TYPES; what a cast refuses is looked at value by value."""
    raw = _Raw(table.num_rows, {column.name: None for column in project.used}, {})
    for column in wanted:
        values = table[column.name].combine_chunks()
        if isinstance(values, pyarrow.ChunkedArray):
            values = pyarrow.concat_arrays(values.chunks) if values.num_chunks else pyarrow.array([], values.type)
        if pyarrow.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        try:
            raw.columns[column.name] = _cast(column, values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            distinct = values.dictionary_encode()
            kinds, wrong = _by_value(column, distinct.dictionary.to_pylist(), not _is_text(values.type))
            raw.columns[column.name] = kinds.take(distinct.indices)
            raw.wrong_type[column.name] = _mask(pyarrow.array(wrong).take(distinct.indices))
    return raw


def _cast(column: Column, values: pyarrow.Array) -> pyarrow.Array:
    target = ARROW_TYPES[column.type]
    if column.type == "timestamp":
        if _is_text(values.type):
            values = _without_zone_letter(_empty_is_missing(values))
        elif not (pyarrow.types.is_timestamp(values.type) or pyarrow.types.is_date(values.type)):
            raise pyarrow.ArrowInvalid(f"no time: {values.type}")
        return values.cast(pyarrow.timestamp("us"), safe=False).cast(target)
    if column.type in NUMERIC_TYPES and (_is_text(values.type) or pyarrow.types.is_boolean(values.type)):
        raise pyarrow.ArrowInvalid("text is read by value")
    if column.type == "boolean" and not pyarrow.types.is_boolean(values.type):
        raise pyarrow.ArrowInvalid("read by value")
    values = values if values.type == target else values.cast(target)
    return _empty_is_missing(values) if _is_text(values.type) else values


def _by_value(column: Column, values: list[object], is_json: bool) -> tuple[pyarrow.Array, numpy.ndarray]:
    """The slow, exact path: the canonical array, and which values have a wrong type (they are null in the array)."""
    parse = from_json if is_json else from_text
    result: list[Value] = []
    wrong = numpy.zeros(len(values), dtype=bool)
    for position, value in enumerate(values):
        try:
            result.append(parse(column.type, value))
        except BadValue:
            result.append(None)
            wrong[position] = True
    return pyarrow.array(result, ARROW_TYPES[column.type]), wrong


def _empty_is_missing(values: pyarrow.Array) -> pyarrow.Array:
    empty = compute.equal(values, "")
    return compute.if_else(empty, None, values) if compute.any(empty).as_py() else values


def _without_zone_letter(values: pyarrow.Array) -> pyarrow.Array:
    """Times that all end in Z as Arrow reads them fast, without; dates alone (which have no Z) are too short for it."""
    if not len(values) or not compute.all(compute.ends_with(values, "Z")).as_py():
        return values
    shortest = compute.min(compute.utf8_length(values)).as_py()
    return (
        values if shortest is None or shortest < len("2013-01-31T05Z") else compute.utf8_slice_codeunits(values, 0, -1)
    )


def _is_text(arrow_type: pyarrow.DataType) -> bool:
    return pyarrow.types.is_string(arrow_type) or pyarrow.types.is_large_string(arrow_type)


def _mask(values: pyarrow.Array) -> numpy.ndarray:
    return compute.fill_null(values, False).to_numpy(zero_copy_only=False)
