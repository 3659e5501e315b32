"""Writes `corpus.json` and `files/` beside this script; run it with `.flywheel/venv/models/bin/python`.

Each entry is one uploaded file and the judgement of it. What is accepted has to be read by the training job, too, with
the good rows that the inspection counts: `corpus.test.ts` and `models/common/tests/test_corpus.py` hold both to the
same files.
"""

import datetime
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

import pyarrow
from pyarrow import parquet

FOLDER = Path(__file__).parent
COLUMNS = {
    "x": ("number", "feature"),
    "c": ("category", "feature"),
    "remark": ("text", "feature"),
    "at": ("timestamp", "time"),
    "note": ("text", "ignore"),
    "y": ("number", "label"),
}
ROW = {"x": 1.5, "c": "a", "remark": "b c", "at": "2013-01-31T05:00:00Z", "note": "n", "y": 2}
entries = []


def add(name: str, content: bytes, expected: dict, tolerated: float = 0, types: dict | None = None) -> None:
    form = name.split(".")[1]
    (FOLDER / "files" / name).write_bytes(content)
    columns = {
        column: {"role": role, "type": (types or {}).get(column, kind), "nullable": column != "y", "pii": False}
        for column, (kind, role) in COLUMNS.items()
    }
    entries.append({"file": name, "format": form, "tolerated": tolerated, "columns": columns, **expected})


def good(rows: int, bad: int = 0) -> dict:
    return {"accepted": {"rows": rows, "badRows": bad}}


def rejected(code: str, rule: str | None = None) -> dict:
    return {"rejected": {"code": code, "rule": rule}}


def line(**changes) -> str:
    return json.dumps({**ROW, **changes})


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def record(**changes) -> str:
    return ",".join(str(value) for value in {**ROW, **changes}.values())


HEADER = ",".join(ROW)


def table(**changes) -> bytes:
    rows = {
        "x": pyarrow.array([1.5, None, 3]),
        "c": pyarrow.array(["a", "ü", None]),
        "remark": pyarrow.array(["b c", "日本", ""]),
        "at": pyarrow.array([datetime.datetime(2013, 1, 31, 5)] * 3, pyarrow.timestamp("us", "UTC")),
        "note": pyarrow.array(["n"] * 3),
        "y": pyarrow.array([2, 3, 4], pyarrow.int64()),
    }
    return written(pyarrow.table({**rows, **changes}))


def written(content: pyarrow.Table, **options) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(content, stream, **options)
    return stream.getvalue()


def damaged_arrow_schema() -> bytes:
    content = table()
    at = content.index(b"ARROW:schema") + len(b"ARROW:schema") + 8
    return content[:at] + b"!!!!" + content[at + 4 :]


def json_lines() -> None:
    add("plain.jsonl", lines(line(), line(x=None, c="ü"), "", line(note="\u2028 \u00a0")), good(3))
    add("surrogate-in-category.jsonl", lines(line(), line(c="\ud800")), rejected("bad-rows", "type"))
    add("surrogate-in-category-tolerated.jsonl", lines(line(), line(c="\ud800")), good(2, 1), 0.5)
    add("surrogate-in-text.jsonl", lines(line(), line(remark="half \udfff")), rejected("bad-rows", "type"))
    add("surrogate-in-name.jsonl", lines(line(), line(**{"\ud800": 1})), rejected("bad-rows", "unexpected-column"))
    add("surrogate-ignored.jsonl", lines(line(), line(note="\ud800"), line(c=7)), good(3))
    add("surrogate-pair.jsonl", lines(line(), line(c="\ud83d\ude00"), line(c=7)), good(3))
    deep = lambda depth: line(note="HERE").replace('"HERE"', "[" * depth + "]" * depth)  # noqa: E731
    add("nested-3000.jsonl", lines(line(c=7), deep(3000)), rejected("bad-rows", "nesting"))
    add("nested-3000-tolerated.jsonl", lines(line(c=7), deep(3000)), good(2, 1), 0.5)
    add("nested-101.jsonl", lines(line(), deep(100)), rejected("bad-rows", "nesting"))
    add("nested-101-tolerated.jsonl", lines(line(), deep(100), line()), good(3, 1), 0.5)
    add("nested-100.jsonl", lines(line(), deep(99)), good(2))
    add("nested-100-by-value.jsonl", lines(line(c=7), deep(99)), good(2))
    add("blank-unicode.jsonl", lines(line(), "\u00a0", "\u2028"), rejected("bad-rows", "json"))
    add("blank-unicode-tolerated.jsonl", lines(line(), "\u00a0", "\u2028", line(), line()), good(5, 2), 0.5)
    add("blank-form-feed-tolerated.jsonl", lines(line(), "\f", line()), good(3, 1), 0.5)
    add("blank-ascii.jsonl", lines(line(), " \t\r", "", line(c=True)), good(2))
    big = lambda **changes: line(**changes).replace('"HERE"', "9" * 5000)  # noqa: E731
    add("integer-5000-ignored.jsonl", lines(line(c=7), big(note="HERE")), good(2))
    add("integer-5000-feature.jsonl", lines(line(c=7), big(x="HERE")), rejected("bad-rows", "type"))
    add("integer-5000-feature-tolerated.jsonl", lines(line(c=7), big(x="HERE")), good(2, 1), 0.5)
    add("nan-ignored-tolerated.jsonl", lines(line(), line(note=float("nan")), line(c=7)), good(3, 1), 0.5)
    add("two-objects-in-a-line-tolerated.jsonl", lines(line(), line() + " " + line()), good(2, 1), 0.5)
    add("two-lines-of-an-object-tolerated.jsonl", lines(line(), line().replace(", ", ",\n", 1)), good(3, 2), 0.7)
    add("null-tolerated.jsonl", lines(line(), "null"), good(2, 1), 0.5)
    add("byte-order-mark.jsonl", b"\xef\xbb\xbf" + lines(line(), line(c=7)), good(2))
    add("numbers-as-categories.jsonl", lines(line(c=1e21), line(c=1e-7), line(c=12345678901234567890)), good(3))
    add("label-1e18.jsonl", lines(line(y=1e18), line(y=-1e18)), good(2))
    add("label-beyond.jsonl", lines(line(y=3.5e38)), rejected("bad-rows", "range"))
    add("label-beyond-tolerated.jsonl", lines(line(), line(y=-1.1e18)), good(2, 1), 0.5)
    add("long-ignored.jsonl", packed(lines(line(), line(note="HERE", c=7).replace("HERE", "€" * 1_000_000))), good(2))
    add("repeated-400.jsonl", packed(lines(*[line(note="n" * 10_000)] * 400)), good(400))


def comma_separated() -> None:
    add("plain.csv", lines(HEADER, record(), record(x="", c='"a,""b"""'), "", record(note='"two\nlines"')), good(3))
    add("long-ignored.csv", packed(lines(HEADER, record(), record(note="€" * 1_000_000))), good(2))
    add("label-beyond.csv", lines(HEADER, record(), record(y="3.5e38")), rejected("bad-rows", "range"))
    add("carriage-return-ignored.csv", lines(HEADER, record(), record(note="a\rb")), rejected("line-ends"))
    add("carriage-return-quoted.csv", lines(HEADER, record(), record(note='"a\rb"')), good(2))
    add("line-ends-of-windows.csv", lines(HEADER + "\r", record() + "\r", "\r", record() + "\r"), good(2))
    add("quote-open-tolerated.csv", lines(HEADER, *[record()] * 9, record(c='"a')), rejected("quoting"), 0.5)
    add("quote-inside-tolerated.csv", lines(HEADER, *[record()] * 9, record(c='5"')), rejected("quoting"), 0.5)
    add("fields-tolerated.csv", lines(HEADER, record(), "1,2", record(), "1,2,3,4,5,6,7"), good(4, 2), 0.5)
    add("blank-around-number.csv", lines(HEADER, record(x=" 1 "), record(x="+2\t")), good(2))
    add(
        "unicode-blank-tolerated.csv",
        lines(HEADER, record(x="1\u00a0"), record(x="\ufeff1"), record()),
        good(3, 2),
        0.7,
    )
    add("year-0-tolerated.csv", lines(HEADER, record(at="0000-01-01T00:00:00Z"), record()), good(2, 1), 0.5)
    add("byte-order-mark.csv", b"\xef\xbb\xbf" + lines("", HEADER, record()), good(1))


def parquet_files() -> None:
    add("plain.parquet", table(), good(3))
    latin1 = pyarrow.array([b"caf\xe9", b"a", b"b"], pyarrow.binary())
    as_text = pyarrow.Array.from_buffers(pyarrow.string(), 3, latin1.buffers())
    add("latin1.parquet", table(remark=as_text), rejected("encoding"))
    plain = {"use_dictionary": False, "column_encoding": {"remark": "DELTA_LENGTH_BYTE_ARRAY"}}
    content = pyarrow.table(
        {"x": [1.0] * 3, "c": ["a"] * 3, "remark": as_text, "at": ["2013-01-31"] * 3, "note": ["n"] * 3, "y": [1.0] * 3}
    )
    add("latin1-delta-lengths.parquet", written(content, **plain), rejected("encoding"))
    prefixes = {"use_dictionary": False, "column_encoding": {"remark": "DELTA_BYTE_ARRAY"}}
    add("latin1-prefixes.parquet", written(content, **prefixes), rejected("encoding"))
    umlauts = content.set_column(2, "remark", pyarrow.array(["aä", "aö", "aöü"]))  # ä and ö begin with the same byte
    add("utf8-prefixes.parquet", written(umlauts, **prefixes), good(3))
    add("utf8-delta-lengths.parquet", written(umlauts, **plain), good(3))
    add("utf8-plain.parquet", written(umlauts, use_dictionary=False), good(3))
    add("latin1-ignored.parquet", table(note=as_text), good(3))
    add("bytes-as-text.parquet", table(remark=pyarrow.array([b"a", "ü".encode(), None])), good(3))
    add("time-as-number.parquet", table(x=pyarrow.array([1, 2, 3], pyarrow.time32("ms"))), rejected("column-kind"))
    add("duration-as-number.parquet", table(x=pyarrow.array([1, 2, 3], pyarrow.duration("us"))), good(3))
    add("uuid.parquet", table(c=pyarrow.array([b"0" * 16] * 3, pyarrow.uuid())), rejected("column-kind"))
    add("fixed-bytes.parquet", table(c=pyarrow.array([b"0123"] * 3, pyarrow.binary(4))), rejected("column-kind"))
    add("damaged-arrow-schema.parquet", damaged_arrow_schema(), good(3))
    add("all-null.parquet", table(x=pyarrow.nulls(3), c=pyarrow.nulls(3), at=pyarrow.nulls(3)), good(3))
    add("dictionary.parquet", table(c=pyarrow.array(["a", "b", "a"]).dictionary_encode()), good(3))
    add(
        "large-and-view.parquet",
        table(
            c=pyarrow.array(["a"] * 3, pyarrow.large_string()), remark=pyarrow.array(["b"] * 3, pyarrow.string_view())
        ),
        good(3),
    )
    add(
        "decimal.parquet",
        table(x=pyarrow.array([Decimal("1.50")] * 3), c=pyarrow.array([Decimal("2.50")] * 3)),
        good(3),
    )
    add("numbers-as-categories.parquet", table(c=pyarrow.array([1e20, 0.5, 3.0])), good(3))
    add("integers-beyond-float.parquet", table(x=pyarrow.array([2**63 - 1, 2**53 + 1, 0])), good(3))
    add(
        "time-as-category.parquet",
        table(c=pyarrow.array([datetime.datetime(2013, 1, 1)] * 3, pyarrow.timestamp("ns"))),
        rejected("bad-rows", "type"),
    )
    one_time = pyarrow.array([1, None, None], pyarrow.timestamp("ns"))
    add("one-time-as-category-tolerated.parquet", table(c=one_time), good(3, 1), 0.5)
    add("dates.parquet", table(at=pyarrow.array([datetime.date(2013, 1, 31)] * 3)), good(3))
    add("label-beyond.parquet", table(y=pyarrow.array([3.5e38, 1, 1])), rejected("bad-rows", "range"))
    add("bool8.parquet", table(x=pyarrow.array([1, 0, 1], pyarrow.int8()).cast(pyarrow.bool8())), good(3))


if __name__ == "__main__":
    for old in (FOLDER / "files").iterdir():
        old.unlink()
    json_lines()
    comma_separated()
    parquet_files()
    (FOLDER / "corpus.json").write_text(json.dumps(entries, indent=1) + "\n")
