"""Random rows that a project's columns allow, as the property tests need them: missing, rare, unseen and odd values."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random

from conftest import column, settings

import pyarrow
from pyarrow import parquet

COLUMNS = {
    "id": column("integer", "id"),
    "when": column("timestamp", nullable=True),
    "distance": column("number", nullable=True),
    "hour": column("integer", min=0, max=23),
    "carrier": column("category", nullable=True),
    "holiday": column("boolean", nullable=True),
    "remark": column("text", nullable=True),
    "email": column("category", nullable=True, pii=True),
    "note": column("text", "ignore", nullable=True),
    "late": column("boolean", "label"),
}
# The odd ones: quotes, separators, line ends, letters beyond ASCII, the names of constants.
CARRIERS = ["AA", "UA", "Ünal, GmbH", 'qu"ote', "two\nlines", "null", "NaN", "true", " padded ", "日本", "0"]


def project_settings(**changes) -> dict:
    return settings(COLUMNS, **changes)


def random_rows(rows: int, seed: int, unseen: bool = False) -> list[dict]:
    """Values as JSON has them; `unseen` adds categories that no other seed gives."""
    chance = random.Random(seed)
    carriers = CARRIERS + [f"unseen-{seed}-{number}" for number in range(5)] if unseen else CARRIERS
    return [_row(chance, f"{seed}{number:06d}", carriers) for number in range(rows)]


def _row(chance: random.Random, identity: str, carriers: list[str]) -> dict:
    def maybe(value: object) -> object:
        return None if chance.random() < 0.1 else value

    moment = f"20{chance.randint(10, 40)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
    clock = f"{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}"
    forms = [moment, f"{moment}T{clock}", f"{moment} {clock}.{chance.randint(0, 999999):06d}", f"{moment}T{clock}Z"]
    forms.append(f"{moment}T{clock}{chance.choice('+-')}0{chance.randint(0, 9)}:30")
    numbers = [chance.gauss(0, 1), chance.gauss(0, 1e30), -0.0, 5e-324, 1.7e308, float(chance.randint(-9, 9)), 3]
    return {
        "id": int(identity),
        "when": maybe(chance.choice(forms)),
        "distance": maybe(chance.choice(numbers)),
        "hour": chance.randint(0, 23),
        "carrier": maybe(chance.choice(carriers)),
        "holiday": maybe(chance.random() < 0.5),
        "remark": maybe(chance.choice(["short", "two words", "ümläut", "a b c"])),
        "email": f"person{identity}@example.com",
        "late": chance.random() < 0.4,
    }


def as_csv(rows: list[dict], names: list[str] | None = None) -> bytes:
    """Missing is an empty field, a boolean true or false, a number its shortest exact text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = names or list(rows[0])
    writer.writerow(names)
    for row in rows:
        writer.writerow([_field(row[name]) for name in names])
    return stream.getvalue().encode()


def as_json_lines(rows: list[dict]) -> bytes:
    """Missing values of every second row are absent, of the others null."""
    lines = []
    for number, row in enumerate(rows):
        kept = {name: value for name, value in row.items() if value is not None} if number % 2 else row
        lines.append(json.dumps(kept))
    return "\n".join(lines).encode()


def as_parquet(rows: list[dict]) -> bytes:
    names = list(rows[0])
    columns = {name: [row[name] for row in rows] for name in names}
    columns["distance"] = [None if value is None else float(value) for value in columns["distance"]]
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


FORMATS = {
    "csv": (as_csv, "csv"),
    "csv.gz": (lambda rows: gzip.compress(as_csv(rows)), "csv"),
    "jsonl": (as_json_lines, "jsonl"),
    "jsonl.gz": (lambda rows: gzip.compress(as_json_lines(rows)), "jsonl"),
    "parquet": (as_parquet, "parquet"),
}


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
