"""The split: whether a row is held out depends on the row alone, not on its place, its file or the dataset version.

A row that one model was judged on is therefore never training data of a later model, and a champion and its
challenger are judged on the same rows. By day, a row's day decides: rows of a day tell of each other.
"""

from __future__ import annotations

import numpy
import pyarrow

from .project import Project

BUCKETS = 10_000
_HOLD_OUT_SALT, _VALIDATION_SALT = 0x5EED_0001, 0x5EED_0002
_MISSING = numpy.uint64(0x9E37_79B9_7F4A_7C15)
_BASE = 0x0100_0000_01B3
NO_DAY = -(1 << 62)
_MICROSECONDS_OF_A_DAY = 86_400_000_000


def held_out(table: pyarrow.Table, project: Project) -> numpy.ndarray:
    """True for the rows that no training run may see: hash of the id columns (of all used columns when the project has
    no id) modulo 10,000 below `holdOut` × 10,000; by day the hash of the day, where the row has a time. Shape (rows,), bool.
    """
    drawn = _share(row_hashes(table, project), project.hold_out, _HOLD_OUT_SALT)
    if not project.hold_out_by_day:
        return drawn
    days = days_of(table, project)
    return numpy.where(days == NO_DAY, drawn, _share(_mix(days.view(numpy.uint64)), project.hold_out, _HOLD_OUT_SALT))


def training_rows(table: pyarrow.Table, project: Project) -> pyarrow.Table:
    """Rows that are not held out and have a label."""
    rows = table.filter(pyarrow.array(~held_out(table, project)))
    return rows.filter(rows[project.label.name].is_valid())


def drawn_by_row(table: pyarrow.Table, project: Project, share: float) -> numpy.ndarray:
    """True for a share of the rows, drawn independently of `held_out`. Shape (rows,), bool."""
    return _share(row_hashes(table, project), share, _VALIDATION_SALT)


def days_of(table: pyarrow.Table, project: Project) -> numpy.ndarray | None:
    """Days since 1970 in UTC of the time column, NO_DAY for rows without a time, shape (rows,), int64; None without such a column."""
    if project.time is None:
        return None
    times = table[project.time.name]
    days = times.fill_null(0).to_numpy() // _MICROSECONDS_OF_A_DAY
    return numpy.where(times.is_null().to_numpy(), NO_DAY, days)


def hashes_of_numbers(values: numpy.ndarray) -> numpy.ndarray:
    """One 64-bit hash of each int64. Shape as given, uint64."""
    return _mix(values.view(numpy.uint64) ^ numpy.uint64(_VALIDATION_SALT))


def row_hashes(table: pyarrow.Table, project: Project) -> numpy.ndarray:
    """One 64-bit hash a row; 1 and 1.0, or a time with and without "Z", are the same value. Shape (rows,), uint64."""
    ids = sorted(column.name for column in project.used if column.role == "id")
    names = ids or sorted(column.name for column in project.used)
    hashes = numpy.zeros(table.num_rows, dtype=numpy.uint64)
    for name in names:
        hashes = _mix(hashes * numpy.uint64(_BASE) + _column_hashes(table[name]))
    return hashes


def _share(hashes: numpy.ndarray, share: float, salt: int) -> numpy.ndarray:
    return _mix(hashes ^ numpy.uint64(salt)) % numpy.uint64(BUCKETS) < numpy.uint64(round(share * BUCKETS))


def _column_hashes(values: pyarrow.ChunkedArray) -> numpy.ndarray:
    parts = [_array_hashes(chunk) for chunk in values.chunks]
    return numpy.concatenate(parts) if parts else numpy.zeros(0, dtype=numpy.uint64)


def _array_hashes(values: pyarrow.Array) -> numpy.ndarray:
    missing = values.is_null().to_numpy(zero_copy_only=False)
    if pyarrow.types.is_string(values.type):
        hashes = _text_hashes(values)
    elif pyarrow.types.is_floating(values.type):
        numbers = values.fill_null(0).to_numpy(zero_copy_only=False) + 0.0  # -0.0 becomes 0.0
        hashes = numbers.view(numpy.uint64)
    else:
        hashes = values.cast(pyarrow.int64()).fill_null(0).to_numpy(zero_copy_only=False).view(numpy.uint64)
    return _mix(numpy.where(missing, _MISSING, hashes))


def _text_hashes(values: pyarrow.Array) -> numpy.ndarray:
    """Polynomial hash modulo 2^64 of the UTF-8 bytes of each text, by differences of one running sum.

    hash(text) = length + Σ (byte_i + 1) · B^i. The running sum wraps around, and so do its differences.
    """
    values = values.fill_null("")
    offsets = numpy.frombuffer(values.buffers()[1], dtype=numpy.int32)[values.offset : values.offset + len(values) + 1]
    lengths = numpy.diff(offsets)
    data = values.buffers()[2]
    first, last = int(offsets[0]), int(offsets[-1])
    content = numpy.frombuffer(data, dtype=numpy.uint8)[first:last] if data is not None else numpy.zeros(0, numpy.uint8)
    powers = numpy.ones(max(int(lengths.max(initial=0)), 1), dtype=numpy.uint64)
    powers[1:] = numpy.uint64(_BASE)
    powers = numpy.multiply.accumulate(powers)
    starts = (offsets[:-1] - first).astype(numpy.int64)
    place = numpy.arange(len(content)) - numpy.repeat(starts, lengths)
    running = numpy.zeros(len(content) + 1, dtype=numpy.uint64)
    numpy.cumsum((content.astype(numpy.uint64) + numpy.uint64(1)) * powers[place], out=running[1:])
    return running[starts + lengths] - running[starts] + lengths.astype(numpy.uint64)


def _mix(values: numpy.ndarray) -> numpy.ndarray:
    """The finalizer of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)."""
    values = values + numpy.uint64(0x9E37_79B9_7F4A_7C15)
    values = (values ^ (values >> numpy.uint64(30))) * numpy.uint64(0xBF58_476D_1CE4_E5B9)
    values = (values ^ (values >> numpy.uint64(27))) * numpy.uint64(0x94D0_49BB_1331_11EB)
    return values ^ (values >> numpy.uint64(31))
