"""A champion of another algorithm, scored by the code in its own archive.

A child process (foreign_process.py) calls what SageMaker's serving calls, `model_fn` and `transform_fn` of
`code/inference.py`, with JSON Lines in and out. It gets the columns that the champion's encoder reads and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy
import pyarrow

from .container import JobError, log
from .encoder import Encoder
from .project import Project

ENCODER_FILE, INFERENCE_FILE = "encoder.json", "code/inference.py"
CHUNK_ROWS = 4096
_CHILD = Path(__file__).resolve().parent / "foreign_process.py"


class ForeignModel:
    """The model of an unpacked archive. `encoder` says its columns and classes; encoding is the archive's own code's.

    Raises JobError when the archive lacks a file.
    """

    def __init__(self, folder: Path, project: Project):
        for name in (ENCODER_FILE, INFERENCE_FILE):
            if not (folder / name).is_file():
                raise JobError(
                    f"got no {name} in the archive of the champion, which is of another algorithm, expected what its train.py "
                    "writes; deploy a model that this version trained"
                )
        self.encoder = Encoder.from_json((folder / ENCODER_FILE).read_text())
        self._folder = folder
        private = {column.name for column in project.columns.values() if column.pii}
        self._names = [feature.name for feature in self.encoder.features if feature.name not in private]
        _allow_missing(folder / ENCODER_FILE)

    def predict(self, rows: pyarrow.Table) -> numpy.ndarray:
        """(rows,) probability of class 1 or value; (rows, classes) probabilities; float32. Input: a table with the types of
        `dataset.ARROW_TYPES`.

        Raises JobError with what failed in the champion's code, never with a value of a row.
        """
        log("the champion is of another algorithm: scored by the code in its archive")
        parts = []
        with _process(self._folder) as child:
            for start in range(0, rows.num_rows, CHUNK_ROWS):
                part = rows.slice(start, CHUNK_ROWS)
                where = f"for held-out rows {start + 1} to {start + part.num_rows}"
                answer = _exchange(child, json_lines(part, self._names), where)
                parts.append(self._predictions(answer, part.num_rows, where))
        return numpy.concatenate(parts)

    def _predictions(self, answer: bytes, rows: int, where: str) -> numpy.ndarray:
        classes = self.encoder.label.classes
        try:
            found = [json.loads(line) for line in answer.decode().split("\n") if line]
            if found and isinstance(found[0], dict):
                found = [[row["probabilities"][name] for name in classes] for row in found]
            predictions = numpy.array(found, dtype=numpy.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise _failure(f"an answer that is no prediction ({type(error).__name__})", where) from error
        if len(predictions) != rows:
            raise _failure(f"{len(predictions)} predictions", where)
        return predictions


def json_lines(rows: pyarrow.Table, names: Sequence[str]) -> bytes:
    """One JSON object a row with these columns, as a request has them; missing is null."""
    columns = [_json_values(rows[name]) for name in names]
    lines = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    # Without a column (all are personal data now) there still is an object a row.
    lines = lines if columns else ({} for _ in range(rows.num_rows))
    return "\n".join(json.dumps(line, allow_nan=False) for line in lines).encode()


def _json_values(values: pyarrow.ChunkedArray) -> list[object]:
    if not pyarrow.types.is_int64(values.type):
        return values.to_pylist()
    moments = values.fill_null(0).to_numpy().astype("datetime64[us]")  # times are the only int64
    texts = numpy.datetime_as_string(moments, timezone="UTC").tolist()
    return [text if valid else None for text, valid in zip(texts, values.is_valid().to_pylist(), strict=True)]


def _allow_missing(file: Path) -> None:
    """In the unpacked copy. Requests may not leave out what was never missing in training; but a column that the project
    no longer has is missing now, as it is for a champion of the same algorithm.
    """
    content = json.loads(file.read_text())
    for feature in content["features"]:
        feature["nullable"] = True
    file.write_text(json.dumps(content))


@contextmanager
def _process(folder: Path) -> Iterator[subprocess.Popen]:
    """The child with its model loaded. What it prints is dropped: the text of an error may hold values."""
    command = [sys.executable, str(_CHILD), str(folder)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 20
    )
    try:
        _read(child, "when it loaded the model")
        yield child
    finally:
        child.kill()
        child.wait()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()


def _exchange(child: subprocess.Popen, body: bytes, where: str) -> bytes:
    with contextlib.suppress(BrokenPipeError):  # it has ended: reading says how
        child.stdin.write(b"%d\n" % len(body) + body)
        child.stdin.flush()
    return _read(child, where)


def _read(child: subprocess.Popen, where: str) -> bytes:
    """The next answer: a line of JSON, and as many bytes as it says."""
    line = child.stdout.readline()
    head = json.loads(line) if line.endswith(b"\n") else {"error": f"the end of its process, status {child.wait()}"}
    if "error" in head:
        raise _failure(head["error"], where)
    return child.stdout.read(head["bytes"])


def _failure(reason: str, where: str) -> JobError:
    return JobError(
        f"got {reason} from the code of the champion, which is of another algorithm, {where}, expected predictions; "
        "deploy a model that this version trained, then change the algorithm"
    )
