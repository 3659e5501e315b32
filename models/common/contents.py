"""The bytes of a stored file without all of them in memory: mapped from disk, or in blocks of whole lines."""

from __future__ import annotations

import gzip
import mmap
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy

# Longer than any record that an upload may hold: 1,048,576 UTF-16 units of at most three bytes (uploadLimits).
BLOCK_BYTES = 4 << 20
# Objects and lists in one another, the row among them, as the inspection of an upload counts them (uploadLimits.nesting).
NESTING = 100
BLANKS = b" \t\r"
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_MARK = b"\xef\xbb\xbf"
_ARROW_SCHEMA = b"ARROW:schema"


def mapped(file: Path) -> mmap.mmap | bytes:
    """The content of a text file. A gzipped one is decompressed to disk: a byte may stand for a thousand."""
    if not _is_gzip(file):
        with file.open("rb") as stored:
            return _map(stored, mmap.ACCESS_READ)
    with tempfile.TemporaryFile() as plain:
        with gzip.open(file) as stored:
            shutil.copyfileobj(stored, plain, 1 << 20)
        plain.flush()
        return _map(plain, mmap.ACCESS_READ)


def mapped_parquet(file: Path) -> mmap.mmap | bytes:
    """A Parquet file whose footer does not say what Arrow's types were.

    They are a second schema beside that of Parquet, which decides here as it does where an upload is checked: a column of
    durations is one of integers, and an Arrow schema that cannot be read fails no job.
    """
    with file.open("rb") as stored:
        content = _map(stored, mmap.ACCESS_COPY)  # what is changed does not change the file
    footer = max(len(content) - 8 - int.from_bytes(content[-8:-4], "little"), 0)
    at = content.find(_ARROW_SCHEMA, footer)
    while at >= 0 and not isinstance(content, bytes):
        content[at : at + len(_ARROW_SCHEMA)] = b"not-arrow's-"
        at = content.find(_ARROW_SCHEMA, footer)
    return content


def content_bytes(file: Path) -> int:
    """About how large a file is as text: what it takes in memory depends on that.

    A gzip file says so in its last four bytes (RFC 1952), of its last member; a value of Parquet counts as four.
    """
    size = file.stat().st_size
    if is_parquet(file):
        from pyarrow import parquet

        facts = parquet.read_metadata(file)
        return max(size, 4 * facts.num_rows * facts.num_columns)
    if not _is_gzip(file) or size < 18:
        return size
    with file.open("rb") as stored:
        stored.seek(-4, 2)
        return max(size, int.from_bytes(stored.read(4), "little"))


def line_blocks(file: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time; without a byte order mark."""
    rest, first = b"", True
    with gzip.open(file) if _is_gzip(file) else file.open("rb") as stored:
        while chunk := stored.read(BLOCK_BYTES):
            if first:
                chunk, first = chunk.removeprefix(_MARK), False
            end = chunk.rfind(b"\n") + 1
            if end:
                yield rest + chunk[:end]
                rest = chunk[end:]
            else:
                rest += chunk
    if rest:
        yield rest


def count_plain_objects(block: bytes) -> int | None:
    """Lines, where each is one JSON object or none: begins and ends with its braces, and is not nested too deep.

    None where a line is something else. Between two objects in one line and one object in two lines a reader of JSON makes
    no difference; whoever counts rows does.
    """
    text = numpy.frombuffer(block, numpy.uint8)
    ends = numpy.flatnonzero(text == ord("\n"))
    if not len(ends) or ends[-1] != len(text) - 1:
        ends = numpy.append(ends, len(text))
    starts = numpy.concatenate([[0], ends[:-1] + 1])
    if (ends <= starts).any():
        return None
    last = text[ends - 1]
    last = numpy.where(last == ord("\r"), text[numpy.maximum(ends - 2, 0)], last)
    if (text[starts] != ord("{")).any() or (last != ord("}")).any():
        return None
    opening = ((text == ord("{")) | (text == ord("["))).view(numpy.uint8)
    return None if numpy.add.reduceat(opening, starts, dtype=numpy.int32).max() > NESTING else len(starts)


def is_nested_too_deep(value: object) -> bool:
    """Level by level: a value may be nested deeper than functions can call each other."""
    level = [value]
    for _ in range(NESTING):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def is_parquet(file: Path) -> bool:
    return _begins_with(file, _PARQUET)


def _is_gzip(file: Path) -> bool:
    return _begins_with(file, _GZIP)


def _begins_with(file: Path, magic: bytes) -> bool:
    with file.open("rb") as stored:
        return stored.read(len(magic)) == magic


def _map(stored, access: int) -> mmap.mmap | bytes:
    """An empty file cannot be mapped."""
    empty = stored.seek(0, 2) == 0
    return b"" if empty else mmap.mmap(stored.fileno(), 0, access=access)
