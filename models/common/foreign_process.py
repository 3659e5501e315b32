"""The child of foreign_model.py: `foreign_process.py MODEL_DIR` answers requests with the model's own code.

Run as a file, so that `common` is the package in the model's archive. Standard input holds requests, a line with the
number of bytes and the body (JSON Lines); standard output answers, a line of JSON, `{"bytes": n}` or `{"error": text}`,
and the body. The first answer, without a body, says that the model is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

from serve import Transform, load_transform

MEDIA_TYPE = "application/jsonlines"


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the model's code prints is no answer
    try:
        transform = load_transform(Path(sys.argv[1]), "inference.py")
    except Exception as error:  # whatever it is, the other side reads it; no row has been seen yet
        _reply(answers, {"error": _described(error)})
        return
    _reply(answers, {"bytes": 0})
    while line := sys.stdin.buffer.readline():
        _reply(answers, *_answer(transform, sys.stdin.buffer.read(int(line))))


def _answer(transform: Transform, request: bytes) -> tuple[dict, bytes]:
    try:
        status, body, _ = transform(request, MEDIA_TYPE, MEDIA_TYPE)
    except Exception as error:  # whatever it is, the other side reads it
        # The text of an error for the client names row and column, that of any other may hold values.
        readable = getattr(error, "status_code", 500) < 500
        return {"error": _described(error) if readable else type(error).__name__}, b""
    if status != 200:
        return {"error": f"the refusal {body.decode(errors='replace')}"}, b""
    return {"bytes": len(body)}, body


def _described(error: Exception) -> str:
    """Native libraries append their own stack traces to the first line."""
    return f"{type(error).__name__} ({str(error).strip().partition(chr(10))[0]})"


def _reply(answers: BinaryIO, head: dict, body: bytes = b"") -> None:
    answers.write(json.dumps(head).encode() + b"\n" + body)
    answers.flush()


if __name__ == "__main__":
    main()
