"""One file as columns of canonical type: CSV, JSON Lines or Parquet.

Arrow's own typed readers do the work; what they refuse is read once more value by value, to find out which rows are bad
and why. What `inspectUpload` (lambdas/domain/dataset) accepts is read here with the same rows: `test/corpus` has files for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy
import pyarrow
from pyarrow import compute, csv, types

from .contents import (
    BLANKS,
    BLOCK_BYTES,
    count_plain_objects,
    is_nested_too_deep,
    line_blocks,
    mapped,
    mapped_parquet,
)
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
# Values that are looked at one by one are Python objects, of fifty bytes and more: so many at a time.
_SLICE_ROWS = 1 << 18
# A number of more digits is beyond every float; Python's own limit for an integer is 4,300.
_LONGEST_INTEGER = 400
_YEAR_ONE = int(datetime(1, 1, 1, tzinfo=timezone.utc).timestamp()) * 1_000_000


@dataclass
class RawColumns:
    """Columns of canonical type (None: the file has no such column) and, per column, the rows whose value has a wrong type."""

    rows: int
    columns: dict[str, pyarrow.Array | None]
    wrong_type: dict[str, numpy.ndarray]


def read_csv(file: Path, project: Project) -> tuple[RawColumns, dict[int, str]]:
    """Rows with the wrong number of fields are returned by number, counted without the header."""
    content = pyarrow.py_buffer(mapped(file))
    options = csv.ReadOptions(block_size=BLOCK_BYTES)
    skip = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    header = csv.open_csv(pyarrow.BufferReader(content), read_options=options, parse_options=skip).schema.names
    wanted = [column for column in project.used if column.name in header]
    kinds = {column.name: _text_type(column) for column in wanted}
    found = False

    def note(_row: csv.InvalidRow) -> str:
        nonlocal found
        found = True
        return "skip"

    try:
        table = _parse_csv(content, kinds, note, threads=True)
        broken: dict[int, str] = {}
        if found:
            table, broken = _csv_with_row_numbers(content, kinds)
        return _typed(table, wanted, project), broken
    except pyarrow.ArrowInvalid:
        table, broken = _csv_with_row_numbers(content, dict.fromkeys(kinds, pyarrow.string()))
        return _typed(table, wanted, project), broken


def _csv_with_row_numbers(
    content: pyarrow.Buffer, kinds: dict[str, pyarrow.DataType]
) -> tuple[pyarrow.Table, dict[int, str]]:
    """Arrow numbers the rows only when it reads with one thread, so this pass is made only when there are broken ones."""
    broken: dict[int, str] = {}

    def note(row: csv.InvalidRow) -> str:
        # Arrow counts from 1 and counts the header.
        broken[row.number - 2] = f"{row.actual_columns} fields, expected {row.expected_columns}"
        return "skip"

    return _parse_csv(content, kinds, note, threads=False), broken


def _parse_csv(content: pyarrow.Buffer, kinds: dict[str, pyarrow.DataType], on_invalid, threads: bool) -> pyarrow.Table:
    # As a stream: `read_csv` parses ahead of the columns that it makes, the whole file where most of it is ignored.
    with csv.open_csv(
        pyarrow.BufferReader(content),
        # A record has to fit into a block.
        read_options=csv.ReadOptions(use_threads=threads, block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_invalid),
        convert_options=csv.ConvertOptions(
            column_types=kinds,
            include_columns=list(kinds),
            null_values=[""],
            strings_can_be_null=True,
            true_values=list(TRUE_TEXTS),
            false_values=list(FALSE_TEXTS),
        ),
    ) as reader:
        return reader.read_all()


def _text_type(column: Column) -> pyarrow.DataType:
    return pyarrow.string() if column.type == "timestamp" else ARROW_TYPES[column.type]


def read_json_lines(file: Path, project: Project) -> tuple[RawColumns, dict[int, str]]:
    """Block by block: a row that Arrow refuses is looked for among those of its block alone."""
    broken: dict[int, str] = {}
    parts: list[RawColumns] = []
    lines = 0
    for block in line_blocks(file):
        part, found = _json_block(block, project)
        broken.update((lines + line, reason) for line, reason in found.items())
        lines += part.rows + len(found)
        parts.append(part)
    if not parts:
        parts = [_json_block_by_value(b"", project)[0]]
    whole = RawColumns(sum(part.rows for part in parts), {}, {})
    for column in project.used:
        name = column.name
        # Each part's own is given up as its column is joined: no column is twice in memory for longer.
        whole.columns[name] = pyarrow.concat_arrays([part.columns.pop(name) for part in parts])
        wrong = [part.wrong_type.pop(name, None) for part in parts]
        if any(each is not None for each in wrong):
            rows = [
                numpy.zeros(part.rows, bool) if each is None else each for part, each in zip(parts, wrong, strict=True)
            ]
            whole.wrong_type[name] = numpy.concatenate(rows)
    return whole, broken


def _json_block(block: bytes, project: Project) -> tuple[RawColumns, dict[int, str]]:
    from pyarrow import json as arrow_json

    lines = count_plain_objects(block)
    if lines is None:  # among others `null`, which Arrow takes for a row, and a file of nothing else ends the process
        return _json_block_by_value(block, project)
    schema = pyarrow.schema([(column.name, _text_type(column)) for column in project.used])
    try:
        table = arrow_json.read_json(
            pyarrow.BufferReader(block),
            read_options=arrow_json.ReadOptions(block_size=2 * BLOCK_BYTES),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior="ignore"
            ),
        )
    except pyarrow.ArrowInvalid:
        return _json_block_by_value(block, project)
    if table.num_rows != lines:
        return _json_block_by_value(block, project)
    return _typed(table, project.used, project), {}


def _json_block_by_value(block: bytes, project: Project) -> tuple[RawColumns, dict[int, str]]:
    broken: dict[int, str] = {}
    values: list[list] = [[] for _ in project.used]
    rows = 0
    number = 0
    for line in block.split(b"\n"):
        if not line.strip(BLANKS):
            continue
        row = _json_object(line)
        if row is None:
            broken[number] = "no JSON object"
        else:
            rows += 1
            for column, cells in zip(project.used, values, strict=True):
                cells.append(row.get(column.name))
        number += 1
    raw = RawColumns(rows, {}, {})
    for column, cells in zip(project.used, values, strict=True):
        raw.columns[column.name], raw.wrong_type[column.name] = _by_value(column, cells, True)
    return raw, broken


def _json_object(line: bytes) -> dict | None:
    """None where the line is no JSON object, by RFC 8259 and the limit of nesting."""
    try:
        row = json.loads(line.decode(), parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # Python gives up far beyond the limit of nesting
        return None
    return row if isinstance(row, dict) and not is_nested_too_deep(row) else None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read_parquet(file: Path, project: Project) -> tuple[RawColumns, dict[int, str]]:
    """By the types that the Parquet schema names."""
    from pyarrow import parquet

    content = pyarrow.py_buffer(mapped_parquet(file))
    names = parquet.read_schema(pyarrow.BufferReader(content)).names
    wanted = [column for column in project.used if column.name in names]
    table = parquet.read_table(pyarrow.BufferReader(content), columns=[column.name for column in wanted])
    return _typed(table, wanted, project), {}


def _typed(table: pyarrow.Table, wanted: list[Column], project: Project) -> RawColumns:
    """Casts to the types of ARROW_TYPES; what a cast refuses is looked at value by value."""
    raw = RawColumns(table.num_rows, {column.name: None for column in project.used}, {})
    for column in wanted:
        chunks = table[column.name].chunks
        # Given up as its column is read: no column is twice in memory for longer.
        table = table.drop_columns([column.name])
        values = pyarrow.concat_arrays(chunks) if chunks else pyarrow.nulls(0, ARROW_TYPES[column.type])
        del chunks
        if types.is_decimal(values.type) or types.is_float16(values.type):
            values = values.cast(pyarrow.float64())
        try:
            raw.columns[column.name] = _cast(column, values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            raw.columns[column.name], raw.wrong_type[column.name] = _array_by_value(column, values)
    return raw


def _cast(column: Column, values: pyarrow.Array) -> pyarrow.Array:
    target = ARROW_TYPES[column.type]
    if values.type == target and not _is_text(target) and column.type != "timestamp":
        return values
    if column.type == "timestamp":
        if _is_text(values.type):
            values = _without_zone_letter(_empty_is_missing(values))
        elif not (types.is_timestamp(values.type) or types.is_date(values.type)):
            raise pyarrow.ArrowInvalid(f"no time: {values.type}")
        moments = values.cast(pyarrow.timestamp("us"), safe=False).cast(target)
        earliest = compute.min(moments).as_py()
        if earliest is not None and earliest < _YEAR_ONE:
            raise pyarrow.ArrowInvalid("the year 0 is none")
        return moments
    if types.is_null(values.type):
        return values.cast(target)
    if column.type in NUMERIC_TYPES and (types.is_integer(values.type) or types.is_floating(values.type)):
        # As the inspection reads them: an integer beyond 2^53 is the nearest number.
        return values.cast(target, safe=False)
    if _is_text(target) and (_is_text(values.type) or types.is_binary(values.type)):
        return _empty_is_missing(values.cast(target))
    raise pyarrow.ArrowInvalid("read by value")


def _array_by_value(column: Column, values: pyarrow.Array) -> tuple[pyarrow.Array, numpy.ndarray]:
    """The slow, exact path, a slice after the other; equal values of a slice are looked at once."""
    if types.is_temporal(values.type) and column.type != "timestamp":
        return pyarrow.nulls(len(values), ARROW_TYPES[column.type]), mask(values.is_valid())
    is_json = not _is_text(values.type)
    parts = [pyarrow.nulls(0, ARROW_TYPES[column.type])]
    wrong = [numpy.zeros(0, dtype=bool)]
    for start in range(0, len(values), _SLICE_ROWS):
        distinct = values.slice(start, _SLICE_ROWS).dictionary_encode()
        kinds, bad = _by_value(column, distinct.dictionary.to_pylist(), is_json)
        parts.append(kinds.take(distinct.indices))
        wrong.append(mask(pyarrow.array(bad, pyarrow.bool_()).take(distinct.indices)))
    return pyarrow.concat_arrays(parts), numpy.concatenate(wrong)


def _by_value(column: Column, values: list[object], is_json: bool) -> tuple[pyarrow.Array, numpy.ndarray]:
    """The canonical array, and which values have a wrong type (they are null in the array)."""
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
    return types.is_string(arrow_type) or types.is_large_string(arrow_type)


def mask(values: pyarrow.Array) -> numpy.ndarray:
    """(rows,) bool, missing is False."""
    return compute.fill_null(values, False).to_numpy(zero_copy_only=False)
