"""What an inference.py answers with: requests in, predictions out, for any algorithm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy

from .payload import CSV_TYPE, JSON_LINES_TYPES, BadRequest, RequestReader, number_texts
from .project import load_project


class Service:
    """A loaded model, ready to answer. `predictor` has an `encoder` and `predict(matrix)`, see evaluation.Predictor."""

    def __init__(self, predictor, code: Path):
        self._predictor = predictor
        self._reader = RequestReader(predictor.encoder, load_project(code))
        self._tail = f'],"modelVersion":{json.dumps(os.environ.get("FLYWHEEL_MODEL_VERSION", "unknown"))}}}'

    def answer(self, body: bytes | str, content_type: str, accept: str) -> tuple[str, str]:
        """(body, content type) of the response.

        Raises BadRequest.
        """
        content = body.encode() if isinstance(body, str) else body
        predictions = self._predictor.predict(self._reader.read(content, content_type))
        if accept.startswith(CSV_TYPE):
            if predictions.ndim == 2:
                raise BadRequest("got Accept: text/csv, expected application/json or application/jsonlines for classes")
            return self._texts(predictions, "\n") + "\n", CSV_TYPE
        if accept.startswith(JSON_LINES_TYPES):
            return self._texts(predictions, "\n") + "\n", JSON_LINES_TYPES[0]
        return '{"predictions":[' + self._texts(predictions, ",") + self._tail, "application/json"

    def _texts(self, predictions: numpy.ndarray, separator: str) -> str:
        """One JSON text a row."""
        if predictions.ndim == 1:
            return number_texts(predictions, separator)
        classes = self._predictor.encoder.label.classes
        chosen = predictions.argmax(axis=1).tolist()
        return separator.join(
            json.dumps({"label": classes[best], "probabilities": dict(zip(classes, row, strict=True))})
            for best, row in zip(chosen, predictions.tolist(), strict=True)
        )
